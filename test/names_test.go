package test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestEveryHeadingHasATest: "Hard links" has TestHardLinks.
func TestEveryHeadingHasATest(t *testing.T) {
	text, err := os.ReadFile("../fs/SEMANTICS.md")
	ok(t, err)
	files, err := filepath.Glob("*_test.go")
	ok(t, err)
	var sources strings.Builder
	for _, f := range files {
		source, err := os.ReadFile(f)
		ok(t, err)
		sources.Write(source)
	}
	for _, heading := range regexp.MustCompile(`(?m)^## (.*)$`).FindAllStringSubmatch(string(text), -1) {
		if heading[1] == "Tenets" {
			continue // of which all others are consequences
		}
		name := "Test"
		for _, word := range regexp.MustCompile(`[A-Za-z0-9]+`).FindAllString(heading[1], -1) {
			name += strings.ToUpper(word[:1]) + word[1:]
		}
		if !strings.Contains(sources.String(), "func "+name+"(") {
			t.Errorf("%q of SEMANTICS.md has no %s", heading[1], name)
		}
	}
}

// oddNames are all allowed.
func oddNames() []string {
	return []string{"한글 이름.txt", "한글-decomposed", "with space", " leading", "plus+plus", "100%25", "%41",
		"quote'\"`", "back\\slash", "star*?[x]", "semi;colon&amp;=", "#hash", "tab\there", "new\nline", "emoji 🎉",
		"ünïcödé", ".hidden", "...", "-dash", "~tilde", strings.Repeat("n", 255), strings.Repeat("한", 85)}
}

func TestNamesAreKeptByteForByte(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		var want []string
		for _, name := range oddNames() {
			s.put(t, "theirs/"+name, "theirs")
			want = append(want, name)
		}
		slices.Sort(want)
		m := s.mount(t, root())
		p := m.start(t)
		ok(t, p.mkdir("ours"))
		for _, name := range want {
			got, err := p.readFile("theirs/" + name)
			if err != nil || got != "theirs" {
				t.Errorf("theirs/%q: %q, %v", name, got, err)
			}
			if err := p.writeFile("ours/"+name, "ours"); err != nil {
				t.Errorf("ours/%q: %v", name, err)
			} else {
				equal(t, name, s.content(t, "ours/"+name), "ours")
			}
		}
		for _, dir := range []string{"ours", "theirs"} {
			got, err := p.readDir(dir)
			ok(t, err)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s has %q, want %q", dir, got, want)
			}
		}
		ok(t, p.rename("ours", "moved 한글+%"))
		for _, name := range want {
			if err := p.unlink("moved 한글+%/" + name); err != nil {
				t.Errorf("unlink %q: %v", name, err)
			}
		}
		ok(t, p.rmdir("moved 한글+%"))
	})
}

// TestComposedAndDecomposedNamesAreTwo: of the same letters.
func TestComposedAndDecomposedNamesAreTwo(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		const composed, decomposed = "\ud55c\uae00", "\u1112\u1161\u11ab\u1100\u1173\u11af"
		m := s.mount(t, root())
		p := m.start(t)
		ok(t, p.writeFile(composed, "composed"))
		_, err := p.lstat(decomposed)
		fails(t, "the other form", err, unix.ENOENT)
		ok(t, p.writeFile(decomposed, "decomposed"))
		ok(t, p.mkdir(composed+".d"))
		ok(t, p.mkdir(decomposed+".d"))
		for range 2 {
			for name, want := range map[string]string{composed: "composed", decomposed: "decomposed"} {
				got, err := p.readFile(name)
				ok(t, err)
				equal(t, name, got, want)
				equal(t, "the object "+name, s.content(t, name), want)
			}
			names, err := p.readDir("")
			ok(t, err)
			if len(names) != 4 {
				t.Errorf("listed: %q", names)
			}
			m.unmount(t)
			m = s.mount(t, root())
			p = m.start(t)
		}
	})
}

func TestNamesThatCannotBeMade(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		m := s.mount(t, root())
		p := m.start(t)
		ok(t, p.writeFile("file", "text"))
		ok(t, p.mkdir("dir"))
		deep := "d" + strings.Repeat("/"+strings.Repeat("n", 250), 4) // 1005 bytes
		m.sh(t, "mkdir -p "+deep)
		for what, c := range map[string]struct {
			name string
			want unix.Errno
		}{
			"not UTF-8":           {"invalid\xff", unix.EILSEQ},
			"surrogate half":      {"\xed\xa0\x80", unix.EILSEQ},
			"long component":      {strings.Repeat("n", 256), unix.ENAMETOOLONG},
			"long key":            {deep + "/" + strings.Repeat("k", 18), unix.ENAMETOOLONG},
			"long, but short NFD": {strings.Repeat("한", 86), unix.ENAMETOOLONG},
		} {
			_, err := p.open(c.name, unix.O_WRONLY|unix.O_CREAT)
			fails(t, what+": open", err, c.want)
			fails(t, what+": mkdir", p.mkdir(c.name), c.want)
			fails(t, what+": symlink", p.symlink("target", c.name), c.want)
			fails(t, what+": mknod", p.mknod(c.name, unix.S_IFIFO|0o644), c.want)
			fails(t, what+": rename", p.rename("file", c.name), c.want)
			fails(t, what+": rename of a directory", p.rename("dir", c.name), c.want)
		}
		_, err := p.lstat("absent\xff")
		fails(t, "lookup of what cannot be", err, unix.ENOENT)
		ok(t, p.writeFile(deep+"/"+strings.Repeat("k", 17), "the longest")) // 1023 bytes
		ok(t, p.mkdir(deep+"/"+strings.Repeat("d", 16)))                    // with its slash
		fails(t, "mkdir of a marker of 1024 bytes", p.mkdir(deep+"/"+strings.Repeat("d", 17)), unix.ENAMETOOLONG)
		ok(t, p.writeFile(deep+"/"+strings.Repeat("한", 5)+"kk", "17 bytes"))
		fails(t, "6 letters of 3 bytes", p.writeFile(deep+"/"+strings.Repeat("한", 6), ""), unix.ENAMETOOLONG)
		ok(t, p.writeFile("d/"+strings.Repeat("n", 250)+"/below", "x"))
		// The directory itself fits, what is in it does not.
		fails(t, "rename of a deep tree", p.rename("d", strings.Repeat("D", 100)), unix.ENAMETOOLONG)
		equal(t, "it is where it was", s.content(t, deep+"/"+strings.Repeat("k", 17)), "the longest")
	})
}

func TestDirectories(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		s.put(t, "prefix/file", "without a marker")
		m := s.mount(t, root())
		p := m.start(t)
		ok(t, p.mkdir("made"))
		marker := s.head(t, "made/")
		if marker.Size != 0 || marker.ContentType != "application/x-directory" {
			t.Errorf("the marker is %+v", marker)
		}
		fails(t, "mkdir again", p.mkdir("made"), unix.EEXIST)
		fails(t, "mkdir over a file", p.mkdir("prefix/file"), unix.EEXIST)
		fails(t, "mkdir below a file", p.mkdir("prefix/file/x"), unix.ENOTDIR)
		fails(t, "mkdir below nothing", p.mkdir("nothing/x"), unix.ENOENT)
		fails(t, "unlink of a directory", p.unlink("made"), unix.EISDIR)
		fails(t, "rmdir of a file", p.rmdir("prefix/file"), unix.ENOTDIR)
		fails(t, "rmdir of a full directory", p.rmdir("prefix"), unix.ENOTEMPTY)
		ok(t, p.unlink("prefix/file"))
		_, err := p.lstat("prefix")
		ok(t, err) // it does not vanish under our feet
		ok(t, p.rmdir("prefix"))

		d, err := p.open("made", unix.O_RDONLY|unix.O_DIRECTORY)
		ok(t, err)
		ok(t, d.fsync()) // as databases do after a rename
		ok(t, d.close())

		names, err := p.readDir("made")
		if err != nil || len(names) != 0 {
			t.Errorf("made has %q, %v", names, err)
		}
		s.put(t, "made/theirs", "unseen yet")
		fails(t, "rmdir of what another client filled", p.rmdir("made"), unix.ENOTEMPTY)
		ok(t, s.client.Delete(t.Context(), s.path("made/theirs")))
		ok(t, p.rmdir("made"))
		if left := s.keys(t, ""); len(left) > 0 {
			t.Errorf("left in the bucket: %q", left)
		}
	})
}
