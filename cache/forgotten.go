package cache

import "time"

// forgottenKept is how many directories forgotten remembers one by one.
const forgottenKept = 64

// forgotten tells which answers of the bucket came too late to be kept: those to
// questions that were asked before what they are about was forgotten, because it
// may have changed in between.
type forgotten struct {
	latest []forgottenDir // in the order of their times
	before time.Time      // of the older ones: what was asked before is not kept, wherever
	count  int            // of all calls of note
}

type forgottenDir struct {
	name Name
	tree bool // and all below
	at   time.Time
}

func (f *forgotten) note(name Name, tree bool) {
	f.count++
	f.latest = append(f.latest, forgottenDir{name, tree, time.Now()})
	if len(f.latest) > forgottenKept {
		f.before = f.latest[0].at
		f.latest = f.latest[1:]
	}
}

// since reports whether directory name was forgotten after asked.
func (f *forgotten) since(name Name, asked time.Time) bool {
	if asked.Before(f.before) {
		return true
	}
	for i := len(f.latest) - 1; i >= 0 && asked.Before(f.latest[i].at); i-- {
		if d := f.latest[i]; d.name == name || d.tree && name.In(d.name) {
			return true
		}
	}
	return false
}
