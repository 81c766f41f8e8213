package cache

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"ncloudfs/remote/emulator"
)

// walked are the names in a directory and all below it, listed in order.
func (m *mounted) walked(n Name) []string {
	m.t.Helper()
	all, err := m.ReadDir(m.t.Context(), n)
	if err != nil {
		m.t.Fatal(err)
	}
	var names []string
	for _, e := range all {
		name := n.Join(e.Base)
		names = append(names, fmt.Sprint(name, e.Entry.Kind, e.Entry.Object.ETag))
		if e.Entry.Kind == Dir {
			names = append(names, m.walked(name)...)
		}
	}
	return names
}

func TestWalkAsksForManyDirectoriesAtOnce(t *testing.T) {
	m := mount(t, Options{})
	for d := range 30 {
		for f := range 10 {
			m.put(fmt.Sprintf("top/d%02d/in/f%d", d, f), nil)
		}
	}
	m.server.ResetCounts()
	if names := m.walked("top"); len(names) != 360 {
		t.Errorf("%d names", len(names))
	}
	m.checkRequests("the walk", counts{emulator.OpListObjects: 6}) // top, two directories and what is in them, all others
}

// TestWalkThatEndsHasWastedOneRequest: the page that follows the one that it used.
func TestWalkThatEndsHasWastedOneRequest(t *testing.T) {
	m := mount(t, Options{})
	for d := range 16 {
		for f := range 210 {
			m.put(fmt.Sprintf("top/d%02d/%d", d, f), nil)
		}
	}
	m.server.ResetCounts()
	for _, n := range []Name{"top", "top/d00", "top/d01", "top/d02"} {
		if _, err := m.ReadDir(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	m.until(emulator.OpListObjects, 5) // top, two directories, and two pages of all
	for _, n := range []Name{"top/d03", "top/d04", "top/d05", "top/d06"} {
		if _, err := m.ReadDir(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	m.until(emulator.OpListObjects, 6) // d06 ends in the second, and the third was asked for
	m.checkRequests("the walk", counts{emulator.OpListObjects: 6})
}

// TestWalkFindsWhatListingsFind, whatever the keys are.
func TestWalkFindsWhatListingsFind(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	m := mount(t, Options{})
	pick := func(parts ...string) string { return parts[r.IntN(len(parts))] }
	for range 400 {
		key := "top/" + pick("a", "a.", "a-b", "a0", "한글", "b", "c", "d", "e")
		for range r.IntN(4) {
			key += pick("/", "/", "/", "//", "/./") + pick("x", "y", "y!", "z", "")
		}
		m.put(key, []byte(key))
	}
	got := m.walked("top")
	m.Cache = m.open(Options{StageDir: t.TempDir()})
	m.walk.mu.Lock() // no walk
	want := m.walked("top")
	m.walk.mu.Unlock()
	if !slices.Equal(got, want) {
		t.Errorf("walked:\n%q\nlisted:\n%q", got, want)
	}
}

// TestWalkBegins where directories are listed in order, with what is in them, and
// not where it is of no use.
func TestWalkBegins(t *testing.T) {
	var w walk
	for _, c := range []struct {
		n    Name
		goes bool
	}{
		{"top", false}, {"top/a", false}, {"top/a/x", false}, {"top/a/x/y", false}, {"top/b", false}, {"top/b/x", false}, {"top/c", true},
		{"top/c/x", false}, {"top/d", true}, {"top/b", false}, {"top/c", false}, {"top/d", true}, {"u", false}, {"v", true}, {"top/e", false},
	} {
		if level := w.goesOn(c.n); (level != nil) != c.goes {
			t.Errorf("%q: %+v, want %v", c.n, level, c.goes)
		}
	}
	for _, n := range []Name{"x/1", "x/2", "x/3"} {
		if level := w.goesOn(n); level != nil {
			level.useless = walkUseless
		}
	}
	if w.goesOn("x/4") != nil {
		t.Error("it goes on though it is of no use")
	}
}
