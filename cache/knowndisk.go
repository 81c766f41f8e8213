package cache

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"
)

const (
	// knownDelay is how long what is remembered may not be on the disk yet: many
	// names go in one transaction.
	knownDelay = time.Second

	// knownBatch is how many names are written without that delay, and four times
	// as many wait at most: more are not stored.
	knownBatch = 4096
)

// knownDisk is the part of known that is on the disk, for as many objects as do
// not fit into memory, and for later mounts. It is only a cache: nothing is
// fsynced but the mark that it is in use, so that a loss of power costs all of it
// (knownopen.go), what does not fit or cannot be written is not kept, and what is
// not as it was written is not believed. An error is logged once, and is nobody's
// else.
//
// Two generations bound it (knownbatch.go): what is used moves to the young one,
// and when that is full, the old one goes, and the young one is the old.
//
// A nil knownDisk keeps nothing. Safe for concurrent use.
type knownDisk struct {
	root *os.Root
	name string // of the file
	file *os.File
	db   *bbolt.DB
	boot string
	log  *slog.Logger
	most used                  // of a generation
	free func() (int64, error) // what the file system has free, in bytes

	closing sync.Once

	wake chan struct{} // of the writer
	done chan struct{} // closed when it has ended

	flushing sync.Mutex // held while a batch is written; before mu
	marked   bool       // it is noted that the file is in use; guarded by flushing

	mu       sync.Mutex // leaf; guards what follows
	waiting  changes
	writing  changes
	batches  int // written
	forgets  int // of any key
	nothing  gap
	broken   bool // it must not be used any more
	reported bool // that it cannot be written
	closed   bool
}

// changes are what the file lacks: first the trees go, then come the objects.
type changes struct {
	trees   []string                // forgotten
	objects map[string]*knownObject // by key; nil: forgotten
}

// find returns what c says of key; nil, true: that it is forgotten.
func (c *changes) find(key string) (h *knownObject, ok bool) {
	if h, ok = c.objects[key]; ok {
		return h, true
	}
	for _, tree := range c.trees {
		if strings.HasPrefix(key, tree) {
			return nil, true
		}
	}
	return nil, false
}

// put has h stored as what is known of key, soon; nil forgets it.
func (d *knownDisk) put(key string, h *knownObject) {
	if d == nil || key == "" {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if h == nil {
		d.forgets++
	}
	if d.broken || d.closed || h != nil && len(d.waiting.objects) >= 4*knownBatch {
		return
	}
	d.waiting.objects[key] = h
	d.wakeLocked()
}

// forgetTree forgets all keys that begin with prefix.
func (d *knownDisk) forgetTree(prefix string) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forgets++
	if d.broken || d.closed {
		return
	}
	for key := range d.waiting.objects {
		if strings.HasPrefix(key, prefix) {
			delete(d.waiting.objects, key)
		}
	}
	d.waiting.trees = append(d.waiting.trees, prefix)
	d.wakeLocked()
}

func (d *knownDisk) wakeLocked() {
	if n := len(d.waiting.objects) + len(d.waiting.trees); n != 1 && n != knownBatch {
		return
	}
	select {
	case d.wake <- struct{}{}:
	default: // it is awake
	}
}

// get returns what is known of key.
func (d *knownDisk) get(key string) (knownObject, bool) {
	if d == nil || key == "" {
		return knownObject{}, false
	}
	d.mu.Lock()
	h, ok := d.waiting.find(key)
	if !ok {
		h, ok = d.writing.find(key)
	}
	forgets, batches, isNone := d.forgets, d.batches, d.broken || d.closed || d.nothing.has(key)
	d.mu.Unlock()
	switch {
	case h != nil:
		return *h, true
	case ok, isNone:
		return knownObject{}, false
	}
	found, next, ok, isOld := d.read(key)
	d.mu.Lock()
	if !ok && batches == d.batches {
		d.nothing = gap{key, next}
	}
	isForgotten := d.forgets != forgets // perhaps this one
	d.mu.Unlock()
	if !ok || isForgotten {
		return knownObject{}, false
	}
	if isOld {
		d.put(key, &found)
	}
	return found, true
}

// read returns what the file says of key, or which key it has something of next;
// "": of none.
func (d *knownDisk) read(key string) (h knownObject, next string, ok, isOld bool) {
	err := d.guard(func() error {
		return d.db.View(func(tx *bbolt.Tx) error {
			for i, g := range generations(tx) {
				at, value := g.Cursor().Seek([]byte(key))
				switch {
				case at == nil:
				case string(at) == key:
					var err error
					h, err = decodeKnown(key, value)
					ok, isOld = true, i > 0
					return err
				case next == "" || string(at) < next:
					next = string(at)
				}
			}
			return nil
		})
	})
	if err != nil {
		return knownObject{}, key, false, false
	}
	return h, next, ok, isOld
}

// gap is a range of keys of which the file has nothing, so that a directory that is
// not in it is one question: from included, up to to, or where that is empty, to
// the end.
type gap struct{ from, to string }

func (g gap) has(key string) bool {
	return g.from != "" && g.from <= key && (g.to == "" || key < g.to)
}

// run writes what waits, until Close.
func (d *knownDisk) run() {
	defer close(d.done)
	for range d.wake {
		d.mu.Lock()
		wait := len(d.waiting.objects) < knownBatch && !d.closed
		d.mu.Unlock()
		if wait {
			d.pause()
		}
		d.flush()
	}
}

// pause waits for knownDelay, or for what must not wait so long.
func (d *knownDisk) pause() {
	timer := time.NewTimer(knownDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-d.wake:
	}
}

// flush writes what waits. What cannot be written is dropped.
func (d *knownDisk) flush() {
	d.flushing.Lock()
	defer d.flushing.Unlock()
	d.mu.Lock()
	d.writing, d.waiting = d.waiting, changes{objects: map[string]*knownObject{}}
	batch, skip := d.writing, d.broken
	d.mu.Unlock()
	if !skip && len(batch.objects)+len(batch.trees) > 0 {
		d.report(d.guard(func() error { return d.store(batch) }))
	}
	d.mu.Lock()
	d.writing, d.nothing = changes{}, gap{}
	d.batches++
	d.mu.Unlock()
}

// store writes a batch, unless the room on the disk is for written data.
func (d *knownDisk) store(batch changes) error {
	if free, err := d.free(); err != nil || free < tierKeepFree {
		return cmp.Or(err, error(unix.ENOSPC))
	}
	if !d.marked {
		if err := d.mark(d.boot); err != nil {
			return err
		}
		d.marked = true
	}
	apply := func(tx *bbolt.Tx) error { return batch.apply(tx, d.most) }
	err := d.db.Update(apply)
	if errors.Is(err, bolterrors.ErrMaxSizeReached) {
		if err = d.db.Update(rotate); err == nil {
			err = d.db.Update(apply)
		}
	}
	return err
}

// askFree asks the file system what is free.
func (d *knownDisk) askFree() (int64, error) {
	var st unix.Statfs_t
	err := unix.Fstatfs(int(d.file.Fd()), &st)
	return int64(st.Bavail) * st.Bsize, err
}

// guard runs do, and ends the use of a file that proves damaged.
func (d *knownDisk) guard(do func() error) error {
	err := protect(do)
	if errors.Is(err, errKnownBroken) {
		d.broke(err)
	}
	return err
}

// protect runs do, and makes an error of what bbolt panics with where the file is
// damaged, or the disk does not give a page of it.
func protect(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errKnownBroken, p)
		}
	}()
	return do()
}

// broke ends the use of a damaged file; the next mount begins a new one.
func (d *knownDisk) broke(err error) {
	d.mu.Lock()
	wasBroken := d.broken
	d.broken = true
	d.mu.Unlock()
	if wasBroken {
		return
	}
	d.log.Warn("remembered attributes are damaged and will be asked for anew", "file", d.path(), "err", err)
	_ = d.root.Remove(d.name) // else the next mount finds the damage again
}

// report logs that nothing can be written, once until it can again.
func (d *knownDisk) report(err error) {
	d.mu.Lock()
	isNews := err != nil && !d.reported && !d.broken
	d.reported = err != nil
	d.mu.Unlock()
	if isNews {
		d.log.Warn("attributes are not remembered on disk", "file", d.path(), "err", err)
	}
}

func (d *knownDisk) path() string { return d.root.Name() + "/" + d.name }

// Close writes what waits, and makes it safe.
func (d *knownDisk) Close() {
	if d != nil {
		d.closing.Do(d.close)
	}
}

func (d *knownDisk) close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	close(d.wake)
	<-d.done
	d.flush()
	d.mu.Lock()
	broken := d.broken
	d.mu.Unlock()
	if broken {
		return // its locks may be held for ever
	}
	d.report(d.guard(func() error {
		if d.marked {
			if err := d.mark(""); err != nil {
				return err
			}
		}
		return d.db.Close()
	}))
	d.root.Close()
}
