package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

// reading reads files a to z of one directory, as a succession sees it.
type reading struct {
	succession
	now time.Time
}

// read returns what is to be fetched, one letter a file.
func (r *reading) read(base string) string {
	r.now = r.now.Add(time.Millisecond)
	var following []string
	for c := base[0] + 1; c <= 'z' && len(following) < filesAhead; c++ {
		following = append(following, string(c))
	}
	return strings.Join(r.succession.read(base, following, r.now), "")
}

func TestSuccessionFetchesAheadOfOrderlyReaders(t *testing.T) {
	for what, c := range map[string]struct{ reads, want string }{
		"in order":               {"abcdefghijklmnopqrstuvwxyz", "..de|fgh|ijklm|n|o|p|q|r|s|t|u|v|w|x|y|z|........"},
		"one":                    {"a", "."},
		"two":                    {"ab", ".."},
		"the same again":         {"aabbccc", "....de|.."},
		"backwards":              {"zyxwv", "....."},
		"every other":            {"acegikmoqsuwy", "............."},
		"skips one":              {"abcdfghi", "..de|fgh|..ij|klm|"},
		"skips often":            {"abcdgijkmnopqr", "..de|fgh|.........."},
		"proves itself anew":     {"abcfghijklmno", "..de|.......nopqrstu|v|w|"},
		"goes back to the start": {"abcabcdef", "..de|......"},
		"by pairs":               {"abcmnoxyz", "..de|......"},
	} {
		r := reading{now: time.Now()}
		var got strings.Builder
		for _, base := range strings.Split(c.reads, "") {
			ahead := r.read(base)
			if got.WriteString(ahead); ahead == "" {
				got.WriteByte('.')
			} else {
				got.WriteByte('|')
			}
		}
		if got.String() != c.want {
			t.Errorf("%s: %s fetches ahead %s, want %s", what, c.reads, got.String(), c.want)
		}
	}
}

func TestSuccessionEndsInAPause(t *testing.T) {
	r := reading{now: time.Now()}
	for _, base := range []string{"a", "b", "c", "d"} {
		if r.now = r.now.Add(successionPause); r.read(base) != "" {
			t.Errorf("fetches ahead of a reader that takes its time at %s", base)
		}
	}
}

// smallFiles puts files "dir/000" and so on, each with its name as content.
func (m *mounted) smallFiles(count int) []Name {
	m.t.Helper()
	var names []Name
	for i := range count {
		n := Name(fmt.Sprintf("dir/%03d", i))
		m.put(string(n), []byte(n))
		names = append(names, n)
	}
	m.server.ResetCounts()
	return names
}

// cat reads files whole, each through a handle of its own, and returns the last
// error.
func (m *mounted) cat(names ...Name) (last error) {
	m.t.Helper()
	for _, n := range names {
		e := m.stat(n)
		r := m.Reader(e.Object)
		view, err := r.Read(m.t.Context(), 0, int(e.Object.Size))
		if err != nil {
			last = err
		} else if got := string(slices.Concat(view.Slices()...)); got != string(n) {
			m.t.Errorf("%s has %q", n, got)
		}
		if view != nil {
			view.Release()
		}
		r.Close()
	}
	return last
}

// settle waits until no fetch is under way.
func (m *mounted) settle() {
	m.t.Helper()
	eventually(m.t, "no fetch is under way", func() bool {
		m.blocks.mu.Lock()
		defer m.blocks.mu.Unlock()
		return m.blocks.fetching == 0
	})
}

func TestSmallFilesAreFetchedOnceEach(t *testing.T) {
	for what, c := range map[string]struct{ read, step, gets int }{
		"all":           {200, 1, 200},
		"one":           {1, 1, 1},
		"two":           {2, 1, 2},
		"a part":        {50, 1, 58},
		"every second":  {100, 2, 100},
		"every third":   {66, 3, 66},
		"from the last": {200, -1, 200},
	} {
		t.Run(what, func(t *testing.T) {
			m := mount(t, Options{})
			names := m.smallFiles(200)
			if c.step < 0 {
				slices.Reverse(names)
			}
			for i := range c.read {
				if err := m.cat(names[max(c.step, -c.step)*i]); err != nil {
					t.Fatal(err)
				}
			}
			m.settle()
			m.checkRequests(what, counts{emulator.OpListObjects: 1, emulator.OpGetObject: c.gets})
		})
	}
}

// TestLargeAndLocalFilesAreNotFetchedAhead, nor do they end a succession.
func TestLargeAndLocalFilesAreNotFetchedAhead(t *testing.T) {
	m := mount(t, Options{})
	names := m.smallFiles(8)
	m.put("dir/003-large", make([]byte, smallFile+1))
	m.put("dir/003-empty", nil)
	m.server.ResetCounts()
	s := m.edit(names[4])
	defer s.Release()
	m.write(s, []byte("new"), 0)
	m.server.ResetCounts()
	if err := m.cat(names[:3]...); err != nil {
		t.Fatal(err)
	}
	m.settle()
	m.checkRequests("three and two ahead", counts{emulator.OpGetObject: 5}) // 3 and 5 are ahead
	if err := m.cat(names[3], names[5]); err != nil {
		t.Fatal(err)
	}
	m.settle()
	m.checkRequests("those", counts{emulator.OpGetObject: 2}) // 6 and 7
}

// TestWhatWasFetchedAheadIsTheListedVersion: what another client does to files
// that are fetched ahead shows at their own reads, and nowhere else.
func TestWhatWasFetchedAheadIsTheListedVersion(t *testing.T) {
	m := mount(t, Options{})
	names := m.smallFiles(6)
	m.stat(names[0])
	m.put(string(names[3]), []byte("replaced"))
	if err := m.other.Delete(t.Context(), m.path(string(names[4]))); err != nil {
		t.Fatal(err)
	}
	if err := m.cat(names[:3]...); err != nil {
		t.Fatal(err)
	}
	m.settle()
	if err := m.cat(names[3]); !errors.Is(err, remote.ErrChanged) {
		t.Errorf("the replaced file: %v", err)
	}
	if err := m.cat(names[4]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the removed file: %v", err)
	}
	if err := m.cat(names[5]); err != nil {
		t.Error(err)
	}
}

// BenchmarkFollowUp is what the first read of each small file of a directory
// costs besides its own request.
func BenchmarkFollowUp(b *testing.B) {
	m := mount(b, Options{})
	names := m.smallFiles(200)
	if err := m.cat(names...); err != nil { // nothing is left to fetch
		b.Fatal(err)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		m.Reader(m.stat(names[i%len(names)]).Object).Close()
		i++
	}
}
