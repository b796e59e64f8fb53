// The file calls of the C library against a preopened folder: create, append, seek, list, rename, link, truncate, remove; and their errors.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void list(const char *path) {
    char *names[64];
    int count = 0;
    DIR *dir = opendir(path);
    if (!dir) {
        printf("list %s: %s\n", path, strerror(errno));
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir)) && count < 64;) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) names[count++] = strdup(entry->d_name);
    }
    closedir(dir);
    qsort(names, count, sizeof *names, compare);
    printf("list %s:", path);
    for (int i = 0; i < count; i++) printf(" %s", names[i]);
    printf("\n");
}

static void check(const char *what, int result) {
    if (result < 0) printf("%s: %s\n", what, strerror(errno));
    else printf("%s: ok\n", what);
}

static long size_of(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 ? (long)st.st_size : -1;
}

int main(void) {
    char line[128];
    FILE *f = fopen("/data/a.txt", "w");
    if (!f) return perror("fopen"), 1;
    for (int i = 0; i < 1000; i++) fprintf(f, "line %d of %s\n", i, "a.txt");
    fclose(f);
    printf("size %ld\n", size_of("/data/a.txt"));

    f = fopen("/data/a.txt", "r+");
    fseek(f, 5000, SEEK_SET);
    fgets(line, sizeof line, f);
    fgets(line, sizeof line, f);
    printf("after seek: %s", line);
    fseek(f, -8, SEEK_END);
    printf("tell %ld\n", ftell(f));
    fputs("REPLACED", f);
    fclose(f);

    int fd = open("/data/a.txt", O_WRONLY | O_APPEND);
    check("append", (int)write(fd, "appended\n", 9));
    check("truncate", ftruncate(fd, 20));
    close(fd);
    printf("size %ld\n", size_of("/data/a.txt"));

    check("mkdir", mkdir("/data/sub", 0777));
    check("mkdir again", mkdir("/data/sub", 0777));
    check("rename", rename("/data/a.txt", "/data/sub/b.txt"));
    check("link", link("/data/sub/b.txt", "/data/hard.txt"));
    check("symlink", symlink("sub/b.txt", "/data/soft.txt"));
    ssize_t n = readlink("/data/soft.txt", line, sizeof line - 1);
    if (n >= 0) line[n] = 0, printf("readlink %s\n", line);
    printf("through the link: %ld\n", size_of("/data/soft.txt"));
    list("/data");
    list("/data/sub");

    check("remove a full folder", rmdir("/data/sub"));
    check("open what is not there", open("/data/none", O_RDONLY));
    check("open outside", open("/etc/passwd", O_RDONLY));
    check("open above", open("/data/../../etc/passwd", O_RDONLY));
    check("symlink out", symlink("/etc/passwd", "/data/escape"));
    check("create, but it exists", open("/data/hard.txt", O_CREAT | O_EXCL | O_WRONLY, 0666));
    check("unlink", unlink("/data/sub/b.txt"));
    check("rmdir", rmdir("/data/sub"));
    list("/data");

    f = fopen("/data/hard.txt", "r");
    size_t total = fread(line, 1, sizeof line, f);
    printf("the other name still has %zu bytes\n", total);
    fclose(f);
    return 0;
}
