package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ncloudfs/remote"
)

// fileModel is what one name should be: plain bytes, and which of them are
// still those of the version that was opened. Somebody else writes to the same
// keys.
type fileModel struct {
	m      *mounted
	ctx    context.Context
	bucket map[Name][]byte // what another client should see; nil or missing: nothing
	name   Name
	other  Name // where it can be renamed to
	puts   int

	s         *Staged // nil: not open
	data      []byte
	isBase    []bool // of each byte of data
	base      []byte // the version under data; nil: none
	changed   bool   // data, since the last commit
	changedAt bool   // attributes, since the last commit
	mode      uint32 // set in this life; 0: not
	hasObject bool   // the mount knows of an object of this name
	wasSent   bool   // or may have made one
	unlinked  bool
}

// isStale reports whether somebody else has written or removed the base.
func (f *fileModel) isStale() bool {
	return f.base != nil && (f.bucket[f.name] == nil || !bytes.Equal(f.base, f.bucket[f.name]))
}

func (f *fileModel) usesBase() bool {
	for _, b := range f.isBase {
		if b {
			return true
		}
	}
	return false
}

// check compares what another client sees.
func (f *fileModel) check(t *rapid.T) {
	for _, n := range []Name{f.name, f.other} {
		got, err := getAll(f.ctx, f.m.other, f.m.path(string(n)))
		if err != nil {
			t.Fatal(err)
		}
		want := f.bucket[n]
		if (got == nil) != (want == nil) || !bytes.Equal(got, want) {
			t.Fatalf("object %s: exists %v with %d bytes; want %v with %d; first difference at %d",
				n, got != nil, len(got), want != nil, len(want), firstDifference(got, want))
		}
	}
}

func (f *fileModel) isOpen(t *rapid.T) {
	if f.s == nil {
		t.Skip("not open")
	}
}

func (f *fileModel) hasName(t *rapid.T) {
	if f.unlinked {
		t.Skip("has no name")
	}
}

func (f *fileModel) open(t *rapid.T) {
	if f.s != nil {
		t.Skip("open")
	}
	truncate := rapid.Bool().Draw(t, "truncate")
	f.m.Forget(f.name)
	s, err := f.m.stageOf(f.ctx, f.name, truncate)
	if err != nil {
		t.Fatal(err)
	}
	old := f.bucket[f.name]
	f.s, f.hasObject, f.changed = s, old != nil, old == nil || truncate
	if old != nil && !truncate {
		f.data, f.base = bytes.Clone(old), old
		f.isBase = make([]bool, len(old))
		for i := range f.isBase {
			f.isBase[i] = true
		}
	}
}

func (f *fileModel) write(t *rapid.T) {
	f.isOpen(t)
	off := rapid.IntRange(0, 3000).Draw(t, "off")
	p := rapid.SliceOfN(rapid.Byte(), 1, 1500).Draw(t, "bytes")
	if n, err := f.s.WriteAt(p, int64(off)); err != nil || n != len(p) {
		t.Fatalf("write: %d, %v", n, err)
	}
	f.resize(max(len(f.data), off+len(p)))
	copy(f.data[off:], p)
	clear(f.isBase[off : off+len(p)])
	f.changed = true
}

func (f *fileModel) resize(n int) {
	if n < len(f.data) {
		f.data, f.isBase = f.data[:n], f.isBase[:n]
		return
	}
	f.data = append(f.data[:len(f.data):len(f.data)], make([]byte, n-len(f.data))...)
	f.isBase = append(f.isBase[:len(f.isBase):len(f.isBase)], make([]bool, n-len(f.isBase))...)
}

func (f *fileModel) truncate(t *rapid.T) {
	f.isOpen(t)
	size := rapid.IntRange(0, 4000).Draw(t, "size")
	if err := f.s.Truncate(int64(size)); err != nil {
		t.Fatal(err)
	}
	f.resize(size)
	f.changed = true
}

func (f *fileModel) setMode(t *rapid.T) {
	f.isOpen(t)
	f.hasName(t)
	f.mode = rapid.Uint32Range(1, 0o777).Draw(t, "mode")
	f.s.SetAttr(setMode(f.mode))
	f.changedAt = true
}

func (f *fileModel) read(t *rapid.T) {
	f.isOpen(t)
	off := rapid.IntRange(0, 4000).Draw(t, "off")
	p := make([]byte, rapid.IntRange(1, 4000).Draw(t, "n"))
	n, err := f.s.ReadAt(f.ctx, p, int64(off))
	low := min(off, len(f.data))
	want := f.data[low:min(off+len(p), len(f.data))]
	isGone := errors.Is(err, remote.ErrChanged) || errors.Is(err, fs.ErrNotExist)
	switch {
	case isGone && (f.unlinked || f.isStale()):
		if !bytes.Equal(p[:n], want[:n]) { // what came before the error
			t.Fatalf("read %d bytes at %d of a changed file: differ at %d", n, off, firstDifference(p[:n], want))
		}
	case err != nil && err != io.EOF:
		t.Fatal(err)
	case !bytes.Equal(p[:n], want) || (err == io.EOF) != (n < len(p)):
		t.Fatalf("read at %d: %d bytes, %v; want %d; first difference at %d", off, n, err, len(want), firstDifference(p[:n], want))
	}
}

func (f *fileModel) commit(t *rapid.T) {
	f.isOpen(t)
	err := f.s.Commit(f.ctx)
	if f.unlinked || !f.changed && !f.changedAt {
		if err != nil {
			t.Fatalf("nothing to commit: %v", err)
		}
		return
	}
	f.wasSent = true
	if conflict := f.isStale() && (!f.changed || f.usesBase()) || !f.changed && f.bucket[f.name] == nil; conflict {
		if !errors.Is(err, remote.ErrChanged) {
			t.Fatalf("commit of a file that was changed elsewhere: %v, want ErrChanged", err)
		}
		if errors.Is(err, ErrConflict) {
			f.leaveConflict(t)
		}
		f.check(t)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	f.bucket[f.name] = append([]byte{}, f.data...)
	f.base, f.changed, f.changedAt, f.hasObject = f.bucket[f.name], false, false, true
	f.check(t)
	if o := f.m.head(string(f.name)); f.mode != 0 && o.Meta["mode"] != strconv.Itoa(int(f.mode)) {
		t.Fatalf("mode %q, want %d", o.Meta["mode"], f.mode)
	}
}

// close is a commit and the last release.
func (f *fileModel) close(t *rapid.T) {
	f.isOpen(t)
	if f.commit(t); f.s == nil {
		return
	}
	f.s.Release()
	f.leave(t)
}

// leaveConflict closes a file that is stored beside its name now.
func (f *fileModel) leaveConflict(t *rapid.T) {
	n, _ := f.s.Name()
	if got, err := getAll(f.ctx, f.m.other, f.m.path(string(n))); err != nil || !bytes.Equal(got, f.data) {
		t.Fatalf("conflict copy %q: %d bytes, %v; want %d", n, len(got), err, len(f.data))
	}
	f.s.Release()
	*f = fileModel{m: f.m, ctx: f.ctx, bucket: f.bucket, name: f.name, other: f.other, puts: f.puts}
}

func (f *fileModel) leave(t *rapid.T) {
	s := f.s
	if f.unlinked {
		if err := f.m.awaitRemoval(f.m.path(string(f.name))); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(10 * time.Second); f.m.stage.Of(f.name) == s; time.Sleep(100 * time.Microsecond) {
		if time.Now().After(end) {
			t.Fatal("still staged 10 s after its last release")
		}
	}
	*f = fileModel{m: f.m, ctx: f.ctx, bucket: f.bucket, name: f.name, other: f.other, puts: f.puts}
	f.check(t)
}

func (f *fileModel) rename(t *rapid.T) {
	f.hasName(t)
	if f.s == nil {
		f.m.Forget(f.name)
		f.m.Forget(f.other)
	}
	isMoved, takesAttrs := f.s == nil || f.hasObject, f.s != nil && !f.changed && !f.isStale()
	_, err := f.m.Rename(f.ctx, f.name, f.other)
	if isMoved && f.bucket[f.name] == nil {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("rename of what is gone: %v, want ErrNotExist", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case isMoved:
		f.bucket[f.other], f.bucket[f.name] = f.bucket[f.name], nil
		f.changedAt = f.changedAt && !takesAttrs
	case f.wasSent: // what is there may come from an upload whose answer was lost, or be what an earlier rename replaced
		f.bucket[f.name] = nil
	}
	f.name, f.other = f.other, f.name
	f.wasSent = f.s != nil
	f.check(t)
}

func (f *fileModel) unlink(t *rapid.T) {
	f.hasName(t)
	if f.s == nil {
		f.m.Forget(f.name)
	}
	err := f.m.Remove(f.ctx, f.name, f.s != nil)
	if f.s == nil && f.bucket[f.name] == nil {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("unlink of what is gone: %v, want ErrNotExist", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if f.s == nil {
		f.bucket[f.name] = nil
		f.check(t)
		return
	}
	if e := f.m.stat(f.name); e.Kind != Absent {
		t.Fatalf("after the unlink: %+v", e)
	}
	theirs := f.isStale() || !f.hasObject
	f.unlinked = true
	f.s.Release()
	if err := f.m.awaitRemoval(f.m.path(string(f.name))); err != nil {
		t.Fatal(err)
	}
	if now, err := getAll(f.ctx, f.m.other, f.m.path(string(f.name))); err != nil || now == nil || !theirs {
		f.bucket[f.name] = nil
	}
	f.leave(t)
}

// put is somebody else's, under either name.
func (f *fileModel) put(t *rapid.T) {
	n := rapid.SampledFrom([]Name{f.name, f.other}).Draw(t, "name")
	f.puts++
	body := random(fmt.Sprint(n, f.puts), rapid.Int64Range(20, 3000).Draw(t, "size"))
	f.m.put(string(n), body)
	f.bucket[n] = body
}

// remove is somebody else's.
func (f *fileModel) remove(t *rapid.T) {
	if err := f.m.other.Delete(f.ctx, f.m.path(string(f.name))); err != nil {
		t.Fatal(err)
	}
	f.bucket[f.name] = nil
}

func TestStagedFileAgreesWithAModel(t *testing.T) {
	m := mount(t, Options{})
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		dir := Name(fmt.Sprint("run", run))
		f := &fileModel{m: m, ctx: m.t.Context(), bucket: map[Name][]byte{}, name: dir + "/f", other: dir + "/g"}
		defer func() {
			if f.s != nil {
				f.s.Release()
			}
		}()
		t.Repeat(map[string]func(*rapid.T){
			"open": f.open, "write": f.write, "write again": f.write, "truncate": f.truncate, "allocate": f.allocate, "seek": f.seek, "chmod": f.setMode,
			"read": f.read, "read again": f.read, "commit": f.commit, "close": f.close,
			"rename": f.rename, "unlink": f.unlink, "put by another": f.put, "removed by another": f.remove,
		})
	})
}
