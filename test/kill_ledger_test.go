package test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// conflicted is what the name of a conflict copy is cut off after.
const conflicted = ".conflict"

// Names of files that the mount does not show: removed ones, and those that one
// has replaced which is not closed yet.
const (
	gone     = "(gone)"
	replaced = "(replaced)"
)

// fileState is one state of a file. Mode 0 stands for any.
type fileState struct {
	content string
	mode    uint32
}

func (v fileState) matches(got fileState) bool {
	return v.content == got.content && (v.mode == 0 || v.mode == got.mode)
}

// ledgerFile is one file through its renames, or with a name that ends in "/"
// a directory: what may be left of it after a crash.
type ledgerFile struct {
	name     string      // where the mount shows it
	shown    fileState   // what the mount shows, unless a call is under way
	movingTo string      // a rename there has begun
	names    []string    // where the next mount may have it
	versions []fileState // which it may have there
	before   []fileState // what the bucket may have now, since the last upload failed; nil: that did not

	mixed     []fileState // states whose bytes may be found next to each other
	isEmptied bool        // since the last save, so that what follows cannot

	isClean    bool          // never changed by the program, and in the bucket
	isLeaving  bool          // an unlink has begun
	isUnclosed bool          // changed, and its close has not returned success or failure
	replaced   []*ledgerFile // that are gone once this is closed
	lastData   string        // written at lastAt by the last call, if that returned
	lastAt     int64
}

// ledger is what the calls of one program have been answered, and with that
// what the bucket may hold after a crash and the next mount.
type ledger struct {
	files     []*ledgerFile
	calls     []string // and what they returned
	writeBack bool     // what is closed need not be in the bucket yet
	powerLoss bool     // rename, unlink and the like are only as safe as the next close
}

// at returns the file that the mount shows under a name, or nil.
func (l *ledger) at(name string) *ledgerFile {
	for _, f := range l.files {
		if f.name == name {
			return f
		}
	}
	return nil
}

// create notes a file that nobody has closed yet.
func (l *ledger) create(name string) *ledgerFile {
	f := &ledgerFile{name: name, names: []string{gone}, isUnclosed: true, isEmptied: true}
	l.files = append(l.files, f)
	return f
}

// touched notes that a change is tried that no close follows yet. What was
// closed and is not in the bucket yet may take it along: whole, or after a
// crash, as on a local disk, byte by byte, unless the file was emptied.
func (l *ledger) touched(f *ledgerFile, v fileState) {
	f.isClean, f.isUnclosed, f.lastData, f.shown = false, true, "", v
	f.isEmptied = f.isEmptied || v.content == ""
	if len(f.versions) == 0 || f.before == nil && !l.writeBack {
		return
	}
	f.versions = slices.Concat(f.versions, []fileState{v})
	if !f.isEmptied {
		f.mixed = slices.Concat(f.mixed, []fileState{v})
	}
}

// saving notes a close or fsync that has begun.
func (l *ledger) saving(f *ledgerFile) {
	f.versions = slices.Concat(f.versions, []fileState{f.shown})
	f.names = union(f.names, f.name)
}

// saved notes one that succeeded.
func (l *ledger) saved(f *ledgerFile) {
	f.names, f.versions, f.before = []string{f.name}, []fileState{f.shown}, nil
	f.mixed, f.isEmptied = f.versions, false
	f.isUnclosed, f.lastData = false, ""
	l.drop(f.replaced...)
	if f.replaced = nil; l.powerLoss && l.writeBack {
		l.settle()
	}
}

// saveFailed notes one that failed while the mount was alive: the next mount
// has to store the same.
func (l *ledger) saveFailed(f *ledgerFile) {
	before := slices.Concat(f.before, f.versions)
	for _, o := range f.replaced {
		before = slices.Concat(before, o.before, o.versions)
	}
	l.saved(f)
	if f.before = before; l.powerLoss {
		l.settle()
	}
}

// settle notes what became safe together with a file that was saved locally.
func (l *ledger) settle() {
	for _, f := range slices.Clone(l.files) {
		switch {
		case f.name == gone:
			l.drop(f)
		case f.name == replaced || len(f.versions) == 0:
		case f.isUnclosed:
			f.names = []string{f.name}
		default:
			f.names, f.versions = []string{f.name}, []fileState{f.shown}
		}
	}
}

func (l *ledger) drop(files ...*ledgerFile) {
	l.files = slices.DeleteFunc(slices.Clone(l.files), func(f *ledgerFile) bool { return slices.Contains(files, f) })
}

// changing notes a change of attributes, or the making of a directory or
// symbolic link, that has begun.
func (l *ledger) changing(f *ledgerFile, v fileState) {
	f.shown, f.isClean, f.isUnclosed = v, false, false
	f.versions = slices.Concat(f.versions, []fileState{v})
	f.names = union(f.names, f.name)
}

// changed notes one that succeeded.
func (l *ledger) changed(f *ledgerFile) {
	if !l.powerLoss {
		f.names, f.versions = []string{f.name}, []fileState{f.shown}
	}
}

// removing notes an unlink or rmdir that has begun.
func (l *ledger) removing(f *ledgerFile) {
	f.isLeaving = true
	f.names = union(f.names, gone)
	f.versions = slices.Concat(f.versions, f.before)
}

// removed notes one that succeeded.
func (l *ledger) removed(f *ledgerFile) {
	f.name = gone
	l.drop(f.replaced...)
	if !l.powerLoss {
		l.drop(f)
	}
}

// moving notes a rename that has begun.
func (l *ledger) moving(f *ledgerFile, to string) {
	f.movingTo, f.isClean = to, false
	if len(f.versions) > 0 {
		f.names = union(f.names, to)
	}
	if o := l.at(to); o != nil {
		o.names = union(o.names, gone)
	}
}

// moved notes one that succeeded.
func (l *ledger) moved(f *ledgerFile, to string) {
	o := l.at(to)
	f.name, f.movingTo = to, ""
	if !l.powerLoss && len(f.versions) > 0 {
		f.names = []string{to}
	}
	switch {
	case o == nil:
		return
	case f.before != nil:
		f.before = slices.Concat(f.before, o.before, o.versions)
	case len(f.versions) == 0: // it is not closed: the object stays until it is
		o.name = replaced
		f.replaced = slices.Concat(f.replaced, []*ledgerFile{o})
		return
	}
	if o.name = gone; !l.powerLoss {
		l.drop(o)
	}
}

func union(names []string, name string) []string {
	if slices.Contains(names, name) {
		return names
	}
	return slices.Concat(names, []string{name})
}

// mayKeep reports whether a local copy of a file that once had this name may
// stay in the stage directory for good.
func (l *ledger) mayKeep(name string) bool {
	return slices.ContainsFunc(l.files, func(f *ledgerFile) bool {
		return f.isUnclosed && (f.keptAs() == name || f.movingTo == name || slices.Contains(f.names, name)) || len(f.names) > 1 && slices.Contains(f.names, name)
	})
}

// mustKeep reports whether what was written last has to be kept, though it was
// not closed. What was closed before, and is not in the bucket, goes first; of
// an edit the last moments may be missing.
func (l *ledger) mustKeep(f *ledgerFile) bool {
	isPromised := len(f.versions) > 0 && (f.before != nil || l.writeBack)
	return f.isUnclosed && f.isEmptied && f.lastData != "" && f.name != gone && !f.isLeaving && !isPromised
}

// keptAs is the name under which a local copy is kept.
func (f *ledgerFile) keptAs() string { return strings.TrimSuffix(f.name, conflicted) }

// check compares the bucket with what may be there.
func (l *ledger) check(t testing.TB, bucket map[string]fileState) {
	t.Helper()
	for _, difference := range l.differences(bucket) {
		t.Error(difference)
	}
}

// differences says what of the bucket cannot be, and which calls led to it.
func (l *ledger) differences(bucket map[string]fileState) []string {
	var found []string
	for _, key := range slices.Sorted(maps.Keys(bucket)) {
		if !l.explains(key, bucket[key]) {
			found = append(found, fmt.Sprintf("the bucket has %s = %s, want %s%s", key, bucket[key], l.expected(key), l.history(key)))
		}
	}
	for _, f := range l.files {
		if !slices.Contains(f.names, gone) && !f.isIn(bucket) {
			found = append(found, fmt.Sprintf("the bucket has none of %q with one of %s%s", f.names, f.versions, l.history(f.names...)))
		}
	}
	return found
}

// history is the last calls that were about these names.
func (l *ledger) history(names ...string) string {
	var about []string
	for _, call := range l.calls {
		if slices.ContainsFunc(names, func(name string) bool {
			return strings.Contains(call+" ", name+" ") || strings.Contains(call, name+":")
		}) {
			about = append(about, call)
		}
	}
	return "\n\t" + strings.Join(about[max(0, len(about)-20):], "\n\t")
}

// explains reports whether the bucket may hold this version of a key.
func (l *ledger) explains(key string, got fileState) bool {
	return slices.ContainsFunc(l.files, func(f *ledgerFile) bool {
		return slices.ContainsFunc(f.names, func(name string) bool {
			if strings.HasSuffix(key, "/") {
				return strings.HasPrefix(name, key) && got.content == ""
			}
			return name == key && (f.may(got) || len(f.names) > 1 && matchesOne(f.before, got))
		})
	})
}

// expected says what the bucket may hold under a key.
func (l *ledger) expected(key string) string {
	var may []string
	for _, f := range l.files {
		if slices.Contains(f.names, key) {
			may = append(may, fmt.Sprint(f.versions))
		}
	}
	if len(may) == 0 {
		return "nothing"
	}
	return strings.Join(may, " or ")
}

func (f *ledgerFile) isIn(bucket map[string]fileState) bool {
	return slices.ContainsFunc(f.names, func(name string) bool {
		for key, got := range bucket {
			if strings.HasSuffix(name, "/") && strings.HasPrefix(key, name) {
				return true
			}
			if key == name && f.may(got) {
				return true
			}
		}
		return false
	})
}

// may reports whether the file may be this, when its last save has counted.
func (f *ledgerFile) may(got fileState) bool {
	return matchesOne(f.versions, got) || f.isPartOf(got) || f.isMixOf(got)
}

// isPartOf reports whether got is a state of which the last write has arrived
// in part: the kernel may make several of one.
func (f *ledgerFile) isPartOf(got fileState) bool {
	for i := 1; i < len(f.versions); i++ {
		before, after := f.versions[i-1].content, f.versions[i].content
		at := 0
		for at < min(len(after), len(got.content)) && after[at] == got.content[at] {
			at++
		}
		if len(got.content) == max(len(before), at) && got.content[at:] == before[min(at, len(before)):] {
			return true
		}
	}
	return false
}

func matchesOne(may []fileState, got fileState) bool {
	return slices.ContainsFunc(may, func(v fileState) bool { return v.matches(got) })
}

func (f *ledgerFile) isMixOf(got fileState) bool {
	sameSize := func(v fileState) bool { return len(v.content) == len(got.content) }
	if !slices.ContainsFunc(f.mixed, sameSize) {
		return false
	}
	for i := range len(got.content) {
		if !slices.ContainsFunc(f.mixed, func(v fileState) bool { return i < len(v.content) && v.content[i] == got.content[i] }) {
			return false
		}
	}
	return true
}

// restart takes over what the bucket has now.
func (l *ledger) restart(bucket map[string]fileState) {
	l.files, l.calls = nil, nil
	for _, key := range slices.Sorted(maps.Keys(bucket)) {
		v := fileState{content: bucket[key].content}
		l.files = append(l.files, &ledgerFile{name: key, isClean: true, shown: v, names: []string{key}, versions: []fileState{v}})
	}
}

// clone returns a copy that does not change any more.
func (l *ledger) clone() *ledger {
	copied := *l
	copied.files = make([]*ledgerFile, len(l.files))
	for i, f := range l.files {
		file := *f // its slices are never written to, only replaced
		copied.files[i] = &file
	}
	return &copied
}

// String shows how the content begins and ends, and where the pieces of which
// it is made change.
func (v fileState) String() string {
	s := fmt.Sprintf("%q", v.content)
	if c := v.content; len(c) > 60 {
		s = fmt.Sprintf("%q...%q (%d bytes: %s)", c[:20], c[len(c)-20:], len(c), pieces(c))
	}
	if v.mode != 0 {
		s += fmt.Sprintf(" mode %o", v.mode)
	}
	return s
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

// lastIsIn reports whether one of the states has the last write of the file.
func (f *ledgerFile) lastIsIn(states []fileState) bool {
	return slices.ContainsFunc(states, func(v fileState) bool {
		return int64(len(v.content)) >= f.lastAt && strings.HasPrefix(v.content[f.lastAt:], f.lastData)
	})
}
