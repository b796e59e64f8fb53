CREATE TABLE bird(id INTEGER PRIMARY KEY, name TEXT NOT NULL, grams REAL, range TEXT);
INSERT INTO bird(name, grams, range) VALUES ('Arctic tern', 110, 'world'), ('common tern', 130, 'north'), ('little tern', 56, 'north'), ('gull', 1000, NULL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
INSERT INTO bird(name, grams, range) SELECT 'bird ' || i, (i * 37 % 1000) / 10.0, CASE i % 3 WHEN 0 THEN 'south' WHEN 1 THEN 'north' END FROM n;
CREATE INDEX by_grams ON bird(grams);
SELECT count(*), round(avg(grams), 4), max(name) FROM bird;
SELECT range, count(*), min(grams) FROM bird GROUP BY range ORDER BY 2 DESC;
SELECT name, grams, rank() OVER (ORDER BY grams DESC) FROM bird WHERE name LIKE '%tern%' ORDER BY 3;
EXPLAIN QUERY PLAN SELECT * FROM bird WHERE grams BETWEEN 10 AND 11;
CREATE VIRTUAL TABLE notes USING fts5(body);
INSERT INTO notes VALUES ('the tern flies far'), ('a gull stays'), ('terns and gulls');
SELECT rowid, highlight(notes, 0, '[', ']') FROM notes WHERE notes MATCH 'tern* OR gull' ORDER BY rank, rowid;
SELECT json_extract('{"a":[1,{"b":"x"}]}', '$.a[1].b'), json_group_array(id) FROM (SELECT id FROM bird LIMIT 4);
BEGIN; DELETE FROM bird; SELECT count(*) FROM bird; ROLLBACK; SELECT count(*) FROM bird;
SELECT printf('%08.3f|%,d|%x', 3.14159, 1234567, 255), hex(zeroblob(3)), date('2026-11-22', '+100 days'), 9223372036854775807 + 1;
VACUUM;
SELECT count(*), sum(id), max(grams) FROM bird;
