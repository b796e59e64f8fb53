// A host for SQLite: opens the database named by the first argument and executes the SQL on the standard input, one row a line.
#include <stdio.h>
#include <stdlib.h>

#include "sqlite3.h"

static int row(void *unused, int columns, char **values, char **names) {
    (void)unused, (void)names;
    for (int i = 0; i < columns; i++) printf("%s%s", i ? "|" : "", values[i] ? values[i] : "NULL");
    printf("\n");
    return 0;
}

int main(int argc, char **argv) {
    static char sql[1 << 16];
    size_t length = fread(sql, 1, sizeof sql - 1, stdin);
    sqlite3 *db;
    char *message = NULL;
    sql[length] = 0;
    if (sqlite3_open(argc > 1 ? argv[1] : ":memory:", &db) != SQLITE_OK) return fprintf(stderr, "%s\n", sqlite3_errmsg(db)), 1;
    if (sqlite3_exec(db, sql, row, NULL, &message) != SQLITE_OK) return fprintf(stderr, "%s\n", message), 1;
    return sqlite3_close(db) != SQLITE_OK;
}
