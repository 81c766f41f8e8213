package test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

// oddKeys are no paths, by the names that the mount gives them.
func oddKeys() map[string]string {
	long := strings.Repeat("l", 251)
	return map[string]string{
		"a":                         "a%{file}",
		"a/b":                       "a/b",
		"a//double":                 "a/%{}/double",
		"a/./dot":                   "a/%{.}/dot",
		"a/../up":                   "a/%{..}/up",
		"..":                        "%{..}",
		"/root":                     "%{}/root",
		"data/":                     "data/%{}",
		"data/more":                 "data/more",
		"nul\x00":                   "nul%{00}",
		"control\x01":               "control\x01",
		"like/%{}/an escape":        "like/%{25}{}/an escape",
		"plain%{":                   "plain%{",
		long + "long":               long + "long",
		long + "longer":             long + "%{+}/longer",
		long + "directory/x":        long + "%{+}/directory/x",
		strings.Repeat("한", 100):    strings.Repeat("한", 83) + "%{+}/" + strings.Repeat("한", 17),
		long + long[:200] + "/deep": long + "%{+}/" + long[:200] + "/deep",
	}
}

// putOdd stores them below a prefix, as far as the server takes them, each with
// its name as content.
func (s *store) putOdd(t *testing.T, prefix string) map[string]string {
	stored := map[string]string{}
	for key, name := range oddKeys() {
		if _, err := s.client.Put(t.Context(), s.path(prefix+key), strings.NewReader(name), int64(len(name)), remote.PutOptions{}); err != nil {
			t.Logf("the server does not take %q: %v", key, err)
			continue
		}
		stored[key] = name
	}
	if len(stored) < len(oddKeys())-3 {
		t.Errorf("only %q are stored", slices.Sorted(maps.Keys(stored)))
	}
	return stored
}

// shownFiles lists the files below a directory.
func (m *mounted) shownFiles(t *testing.T, dir string) []string {
	t.Helper()
	out := strings.TrimSuffix(m.sh(t, "cd "+dir+" && find . -type f -print0"), "\x00")
	var names []string
	for _, name := range strings.Split(out, "\x00") {
		names = append(names, strings.TrimPrefix(name, "./"))
	}
	slices.Sort(names)
	return names
}

func TestKeysThatAreNoPaths(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		keys := s.putOdd(t, "d/")
		m := s.mount(t, root())
		p := m.start(t)
		if got, want := m.shownFiles(t, "d"), slices.Sorted(maps.Values(keys)); !slices.Equal(got, want) {
			t.Fatalf("shown are\n%q, want\n%q", got, want)
		}
		for _, name := range keys {
			got, err := p.readFile("d/" + name)
			if err != nil || got != name {
				t.Errorf("%q: %q, %v", name, got, err)
			}
		}
		if said := m.ncloudfs(t, 0, "status", m.path); !strings.Contains(said, "escaped") {
			t.Errorf("status: %s", said)
		}

		for _, name := range []string{"d/%{61}", "d/absent%{file}", "d/a/b%{+}", "d/%{file}", "d/more/%{}"} {
			_, err := p.lstat(name)
			fails(t, "lookup of "+name, err, unix.ENOENT)
		}
		fails(t, "a name that is no key's", p.writeFile("d/%{61}", "x"), unix.EILSEQ)
		fails(t, "writing to a key that ends in a slash", p.writeFile("d/data/%{}", "x"), unix.EPERM)
		fails(t, "making one", p.writeFile("d/more-%{}", "x"), unix.EILSEQ)
		ok(t, p.mkdir("empty"))
		fails(t, "making one", p.writeFile("empty/%{}", "x"), unix.EPERM)
		fails(t, "removing a directory whose marker has data", p.rmdir("d/data"), unix.ENOTEMPTY)
		ok(t, p.chmod("d/data", 0o700))
		equal(t, "its marker", s.content(t, "d/data/"), "data/%{}")
		ok(t, p.writeFile("d/a%{file}", "written"))
		equal(t, "d/a", s.content(t, "d/a"), "written")

		// A whole tree of them is copied, moved and removed as any other.
		m.sh(t, "cp -r d/a d/a%{file} copied 2>/dev/null || mkdir copied && cp -r d/a d/a%{file} copied && cmp d/a/%{}/double copied/a/%{}/double")
		m.sh(t, "mv d moved")
		for key, name := range keys {
			if name != "a%{file}" {
				equal(t, key, s.content(t, "moved/"+key), name)
			}
		}
		m.sh(t, "mv moved/data/%{} good; mv moved/%{..} up; mv moved/"+strings.Repeat("l", 251)+"%{+}/longer short; mv moved/a%{file} beside")
		equal(t, "good", s.content(t, "good"), "data/%{}")
		equal(t, "up", s.content(t, "up"), "%{..}")
		equal(t, "short", s.content(t, "short"), strings.Repeat("l", 251)+"%{+}/longer")
		equal(t, "beside", s.content(t, "beside"), "written")
		m.sh(t, "rm -r moved copied")
		if left := s.keys(t, "d"); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
		for _, prefix := range []string{"moved", "copied"} {
			if left := s.keys(t, prefix); len(left) > 0 {
				t.Errorf("left: %q", left)
			}
		}
	})
}

// TestKeysThatAreNoPathsAreFoundByName, in a directory that is too large for one
// page.
func TestKeysThatAreNoPathsAreFoundByName(t *testing.T) {
	t.Parallel()
	s, _ := startEmulator(t, emulator.Options{})
	for i := range 1001 {
		s.put(t, fmt.Sprintf("large/%04d", i), "")
	}
	keys := s.putOdd(t, "large/")
	m := s.mount(t, root())
	p := m.start(t)
	for key, name := range keys {
		got, err := p.readFile("large/" + name)
		if err != nil || got != name {
			t.Errorf("%q, shown as %q: %q, %v", key, name, got, err)
		}
	}
}
