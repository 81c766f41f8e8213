package test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// holds checks an object as another client sees it.
func (s *store) holds(t testing.TB, key, want string) {
	t.Helper()
	if got := s.content(t, key); got != want {
		i := 0
		for i < min(len(got), len(want)) && got[i] == want[i] {
			i++
		}
		t.Errorf("%s: the object has %d bytes, want %d; they differ from byte %d on: %.40q, want %.40q",
			key, len(got), len(want), i, got[i:], want[i:])
	}
}

func TestEditorSavesByRename(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		s.put(t, "notes.txt", "old text\n")
		m := s.mount(t, root())
		p := m.start(t)
		if got, err := p.readFile("notes.txt"); err != nil || got != "old text\n" {
			t.Fatalf("%q, %v", got, err)
		}
		reader, err := p.open("notes.txt", unix.O_RDONLY)
		if err != nil {
			t.Fatal(err)
		}
		f, err := p.open(".notes.txt.tmp", unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.write("new text, longer\n"); err != nil {
			t.Fatal(err)
		}
		steps := []func() error{
			f.fsync,
			func() error { return p.chmod(".notes.txt.tmp", 0o640) },
			f.close,
			func() error { return p.rename(".notes.txt.tmp", "notes.txt") },
		}
		for i, step := range steps {
			if err := step(); err != nil {
				t.Fatalf("step %d: %v", i, err)
			}
		}
		s.holds(t, "notes.txt", "new text, longer\n")
		if s.exists(t, ".notes.txt.tmp") {
			t.Error("the temporary object is still there")
		}
		if got, err := reader.readAll(); err != nil || got != "old text\n" {
			t.Errorf("who has the old file open reads %q, %v", got, err)
		}
		if got, err := p.readFile("notes.txt"); err != nil || got != "new text, longer\n" {
			t.Errorf("read again: %q, %v", got, err)
		}
		if st, err := p.lstat("notes.txt"); err != nil || st.Mode != unix.S_IFREG|0o640 {
			t.Errorf("mode %o, %v", st.Mode, err)
		}
	})
}

// TestVimWrites a file anew, by moving it away and by a swap file beside it, and
// keeps its mode.
func TestVimWrites(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "vim")
	onBoth(t, time.Minute, `umask 022
for how in yes no auto; do
	seq 3000 | sed 's/$/ old line/' > $how; chmod 640 $how
	vim -u NONE -N --cmd "set backupcopy=$how backup backupskip=" -es -c '%s/old/new/' -c wq $how
	test "$(grep -c 'new line' $how)" = 3000
	test "$(grep -c 'old line' $how~)" = 3000
	vim -u NONE -N -es -c wq $how
done
vim -u NONE -N --cmd 'set undofile' -es -c 'normal ofirst' -c wq new
rm .new.un~
test "$(ls -A)" = "auto
auto~
new
no
no~
yes
yes~"
find . -exec touch -d @1700000000 {} +`)
}

func TestShellEditsReachTheBucket(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		lines := strings.Repeat("a line of the old text\n", 1000)
		for _, key := range []string{"sed", "append", "cut", "grown", "inserted"} {
			s.put(t, key, lines)
		}
		m := s.mount(t, root())
		m.sh(t, `
			sed -i 's/old/new/' sed
			echo one >> append
			echo two >> append
			echo made >> appended
			{ echo three; echo four; } >> append
			truncate -s 10 cut
			truncate -s 30000 grown
			truncate -s 5000 made
			(echo first; cat inserted) > inserted.new && mv inserted.new inserted
			echo replaced > replaced; echo again > replaced
			printf tail | dd of=cut bs=1 seek=20 conv=notrunc status=none`)
		want := map[string]string{
			"sed":      strings.ReplaceAll(lines, "old", "new"),
			"append":   lines + "one\ntwo\nthree\nfour\n",
			"appended": "made\n",
			"cut":      lines[:10] + strings.Repeat("\x00", 10) + "tail",
			"grown":    lines + strings.Repeat("\x00", 30000-len(lines)),
			"made":     strings.Repeat("\x00", 5000),
			"inserted": "first\n" + lines,
			"replaced": "again\n",
		}
		for key, content := range want {
			s.holds(t, key, content)
		}
	})
}

func TestDDWritesIntoTheMiddleOfALargeObject(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		before := random(64<<20 + 12345)
		s.put(t, "large", before)
		m := s.mount(t, root())
		want := []byte(before)
		m.shell().run(t, time.Minute, `head -c 3M /dev/zero | tr '\0' m | dd of=large bs=1M seek=31 iflag=fullblock conv=notrunc status=none`)
		copy(want[31<<20:], strings.Repeat("m", 3<<20))
		s.holds(t, "large", string(want))

		p := m.start(t)
		f, err := p.open("large", unix.O_RDWR)
		if err != nil {
			t.Fatal(err)
		}
		for _, off := range []int64{16<<20 - 3, 64<<20 + 12345} { // across two parts; at the end
			if _, err := f.pwrite("across", off); err != nil {
				t.Error(err)
			}
		}
		if err := f.ftruncate(64<<20 + 12347); err != nil {
			t.Error(err)
		}
		if err := f.close(); err != nil {
			t.Error(err)
		}
		copy(want[16<<20-3:], "across")
		s.holds(t, "large", string(want)+"ac")
		m.shell().run(t, time.Minute, `truncate -s 40000001 large`)
		s.holds(t, "large", string(want[:40000001]))
	})
}
