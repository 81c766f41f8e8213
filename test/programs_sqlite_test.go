package test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

func TestSQLiteKeepsADatabase(t *testing.T) {
	requirePrograms(t, "sqlite3")
	for _, journal := range []string{"delete", "wal"} {
		t.Run(journal, func(t *testing.T) {
			forEachServer(t, func(t *testing.T, s *store) { keepsADatabase(t, s, journal) })
		})
	}
}

func keepsADatabase(t *testing.T, s *store, journal string) {
	const check = `PRAGMA integrity_check; SELECT count(*), sum(length(text)), sum(number) FROM things;`
	m := s.mount(t, root())
	sql := &strings.Builder{}
	fmt.Fprintf(sql, "PRAGMA journal_mode=%s;\nCREATE TABLE things (number INTEGER PRIMARY KEY, text TEXT);\n", journal)
	for batch := range 10 {
		fmt.Fprintf(sql, "WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i+1 FROM n WHERE i < %d)\n", batch*1000, batch*1000+999)
		sql.WriteString("INSERT INTO things SELECT i, hex(zeroblob(i % 300)) FROM n;\n")
	}
	sql.WriteString("CREATE INDEX by_text ON things (text);\nUPDATE things SET text = 'changed' WHERE number % 7 = 0;\n")
	for number := range 10 { // a transaction each
		fmt.Fprintf(sql, "UPDATE things SET text = text || ' again' WHERE number = %d;\n", 1000*number)
	}
	sql.WriteString("BEGIN; DELETE FROM things; ROLLBACK;\nDELETE FROM things WHERE number % 10 = 0;\n")
	local := localDir(t)
	want := local.run(t, time.Minute, `sqlite3 db "$1" > /dev/null; sqlite3 db "$2"`, sql.String(), check)
	if !strings.HasPrefix(want, "ok\n9000|") {
		t.Fatalf("on a local disk: %q", want)
	}

	if got := m.shell().run(t, time.Minute, `sqlite3 -bail db "$1"`, sql.String()); got != journal+"\n" {
		t.Errorf("its journal is %q, want %q", got, journal)
	}
	if got := m.shell().run(t, time.Minute, `sqlite3 -bail db "$1"`, check); got != want {
		t.Errorf("the same mount reads %q, want %q", got, want)
	}
	if err := os.WriteFile(local.path("downloaded"), []byte(s.content(t, "db")), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := local.run(t, time.Minute, `sqlite3 -bail downloaded "$1"`, check); got != want {
		t.Errorf("another client reads %q, want %q", got, want)
	}
	m.unmount(t)

	m = s.mount(t, root())
	if got := m.shell().run(t, time.Minute, `sqlite3 -bail db "$1"`, check); got != want {
		t.Errorf("another mount reads %q, want %q", got, want)
	}
	m.shell().run(t, time.Minute, `sqlite3 -bail db "INSERT INTO things VALUES (-1, 'late'); VACUUM;"`)
	if got := m.shell().run(t, time.Minute, `sqlite3 -bail db "PRAGMA integrity_check; SELECT text FROM things WHERE number < 0"`); got != "ok\nlate\n" {
		t.Errorf("after a change it reads %q", got)
	}
	if keys := s.keys(t, ""); len(keys) != 1 {
		t.Errorf("the bucket has %q, want only the database", keys)
	}
}
