package test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// gone is the content of a file that is not there.
const gone = "(no file)"

// killedFile is what is known of one file of a killWriter.
type killedFile struct {
	shown  string   // what the mount shows, unless a call is under way
	may    []string // what the bucket may have after the next mount
	before []string // what it may have now, since the last upload failed; nil: that did not

	isUnclosed bool   // changed, and its close has not returned success or failure
	lastData   string // written at lastAt by the last call, if that returned
	lastAt     int64
}

func newKilledFile(content string) *killedFile {
	return &killedFile{shown: content, may: []string{content}}
}

// stored notes a close or fsync that succeeded.
func (f *killedFile) stored(content string) { *f = *newKilledFile(content) }

// failed notes a close or fsync that failed while the mount was alive: the next
// mount has to store the same.
func (f *killedFile) failed(content string) {
	before := slices.Concat(f.before, f.may)
	f.stored(content)
	f.before = before
}

// touched notes that a change is tried that no close follows yet. After a
// failed upload the next try may take it along, or be given up for it.
func (f *killedFile) touched(content string) {
	f.isUnclosed, f.lastData = true, ""
	if f.before != nil {
		f.may = slices.Concat(f.may, f.before, []string{content})
	}
}

// killedMove is a rename that has not returned.
type killedMove struct{ from, to string }

// killModel is what one killWriter may find of its files.
type killModel struct {
	files  map[string]*killedFile
	moving *killedMove
}

// moved notes a rename that succeeded.
func (m *killModel) moved(from, to string) {
	a, b := m.files[from], m.files[to]
	if a.before != nil {
		a.before = slices.Concat(a.before, b.before, b.may)
	}
	m.files[from], m.files[to] = newKilledFile(gone), a
	m.moving = nil
}

// mayKeep reports whether a local copy of name may stay in the stage directory
// for good.
func (m *killModel) mayKeep(name string) bool {
	f := m.files[name]
	return f != nil && f.isUnclosed || m.moving != nil && m.moving.to == name
}

// check compares the bucket's files with what may be there.
func (m *killModel) check(t testing.TB, bucket map[string]string) {
	t.Helper()
	at := func(name string) string {
		if content, found := bucket[name]; found {
			return content
		}
		return gone
	}
	for _, name := range slices.Sorted(maps.Keys(m.files)) {
		may := m.files[name].may
		if m.moving != nil && m.moving.to == name {
			from := m.files[m.moving.from]
			may = slices.Concat(may, from.may, from.before)
		}
		if m.moving != nil && m.moving.from == name {
			may = append(slices.Concat(may, m.files[name].before), gone)
		}
		if got := at(name); !slices.Contains(may, got) {
			t.Errorf("the bucket has %s = %s, want one of %s", name, brief(got), brief(may...))
		}
	}
	if m.moving == nil {
		return
	}
	from := m.files[m.moving.from]
	if !slices.Contains(from.may, at(m.moving.from)) && !slices.Contains(from.may, at(m.moving.to)) {
		t.Errorf("rename %s to %s under way: the bucket has %s and %s, want %s at one of them", m.moving.from, m.moving.to,
			brief(at(m.moving.from)), brief(at(m.moving.to)), brief(from.may...))
	}
}

// restart takes over what the bucket has now.
func (m *killModel) restart(bucket map[string]string) {
	m.moving = nil
	for name := range m.files {
		content, found := bucket[name]
		if !found {
			content = gone
		}
		m.files[name] = newKilledFile(content)
	}
}

// brief shows how contents begin and end, and where the pieces of which they
// are made change.
func brief(contents ...string) string {
	var all []string
	for _, c := range contents {
		if len(c) > 60 {
			c = fmt.Sprintf("%s...%s (%d bytes: %s)", c[:20], c[len(c)-20:], len(c), pieces(c))
		}
		all = append(all, c)
	}
	return strings.Join(all, " | ")
}

// pieces lists the tags in a content, one for each run of the same.
func pieces(content string) string {
	var runs []string
	for _, tag := range strings.SplitAfter(content, ">") {
		if i := strings.LastIndexByte(tag, '<'); i >= 0 {
			tag = tag[i:]
		}
		if len(runs) == 0 || runs[len(runs)-1] != tag {
			if runs = append(runs, tag); len(runs) > 12 {
				break
			}
		}
	}
	return fmt.Sprintf("%.300q", runs)
}
