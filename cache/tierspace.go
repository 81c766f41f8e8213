package cache

import (
	"strconv"

	"golang.org/x/sys/unix"
)

func (t *Tier) isFull() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.files) >= maxTierFiles || t.used+tierOverhead > t.limit
}

// reserve takes n bytes of the limit and of the free space for f, and evicts
// other versions for them; false: there are not so many.
func (t *Tier) reserve(f *tierFile, n int64) bool {
	for !t.tryReserve(f, n) {
		if !t.evictOldest(f) {
			return false
		}
	}
	return true
}

func (t *Tier) tryReserve(f *tierFile, n int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.used+n > t.limit {
		return false
	}
	if n > t.free {
		spare, err := t.spare()
		if err != nil {
			return false
		}
		t.free = min(spare-tierKeepFree, freeStep)
	}
	if n > t.free {
		return false
	}
	t.free -= n
	t.used += n
	f.charge += n
	return true
}

// askFree asks the file system what is free.
func (t *Tier) askFree() (int64, error) {
	var st unix.Statfs_t
	err := unix.Fstatfs(int(t.lock.Fd()), &st)
	return int64(st.Bavail) * st.Bsize, err
}

// evictOldest removes the version that was used longest ago, except for those
// in use, and for keep; false: there is none.
func (t *Tier) evictOldest(keep *tierFile) bool {
	t.mu.Lock()
	f := t.oldestLocked(keep)
	if f == nil {
		t.mu.Unlock()
		return false
	}
	if _, isBehind := t.behind[f]; isBehind { // needs no record any more
		delete(t.behind, f)
		f.users--
		t.idle.Add(f, struct{}{})
	}
	path := t.dropLocked(f)
	t.mu.Unlock()
	_ = t.root.Remove(path) // the next mount removes it
	return true
}

func (t *Tier) oldestLocked(keep *tierFile) *tierFile {
	for range t.order.Len() {
		f, _, _ := t.order.GetOldest()
		_, isBehind := t.behind[f]
		if f != keep && (f.users == 0 || f.users == 1 && isBehind) {
			return f
		}
		t.order.Get(f)
	}
	return nil
}

// drop removes a version, which stays readable for its users.
func (t *Tier) drop(f *tierFile) {
	t.mu.Lock()
	if f.gone {
		t.mu.Unlock()
		return
	}
	path := t.dropLocked(f)
	t.mu.Unlock()
	_ = t.root.Remove(path) // the next mount removes it
}

// dropLocked takes f out and its names away; the caller removes the file at
// path, which takes long.
func (t *Tier) dropLocked(f *tierFile) (path string) {
	f.gone = true
	delete(t.files, f.id)
	t.order.Remove(f)
	t.doomed++
	path = dataPath("gone-" + strconv.FormatUint(t.doomed, 10))
	_ = t.root.Remove(recordPath(f.id)) // may have none yet
	if err := t.root.Rename(dataPath(f.id), path); err != nil {
		path = dataPath(f.id)
	}
	if f.users == 0 {
		t.idle.Remove(f)
		t.used -= f.charge
	}
	return path
}

// giveWay frees space for staged data on the same file system; false: there is
// nothing to give.
func (t *Tier) giveWay() bool {
	if t == nil || !t.evictOldest(nil) {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.free = 0 // it is not for us
	return true
}
