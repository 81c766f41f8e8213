package cache

import (
	"errors"
	"io/fs"
	"sync"
	"testing"
	"time"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

func (m *mounted) setAttr(n Name, change func(*Attr)) {
	m.t.Helper()
	if err := m.SetAttr(m.t.Context(), n, change); err != nil {
		m.t.Errorf("set attributes of %q: %v", n, err)
	}
}

// setAttrNow is setAttr where the bucket has it then.
func (m *mounted) setAttrNow(n Name, change func(*Attr)) {
	m.t.Helper()
	m.setAttr(n, change)
	if err := m.Sync(m.t.Context()); err != nil {
		m.t.Errorf("sync after setting attributes of %q: %v", n, err)
	}
}

func setMode(mode uint32) func(*Attr) {
	return func(a *Attr) { a.Mode, a.HasMode = mode, true }
}

func TestSetAttrIsOneCopyAndOneHeadIfTheObjectIsNotKnown(t *testing.T) {
	m := mount(t, Options{})
	m.put("d/a", []byte("content"))
	m.checkKind("d/a", File)
	m.server.ResetCounts()
	m.setAttrNow("d/a", setMode(0o100600))
	m.checkRequests("the first", counts{emulator.OpGetObjectACL: 1, emulator.OpHeadObject: 1, emulator.OpCopyObject: 1})
	m.setAttrNow("d/a", func(a *Attr) { a.Mtime = time.Unix(5, 0) })
	m.checkRequests("the second", counts{emulator.OpGetObjectACL: 1, emulator.OpCopyObject: 1})
	if e := m.stat("d/a"); !e.Known || e.Attr.Mode != 0o100600 || !e.Attr.Mtime.Equal(time.Unix(5, 0)) || e.Object.Size != 7 {
		t.Errorf("got %+v", e)
	}
	m.checkRequests("stat", counts{})
	if o := m.head("d/a"); o.Meta["mode"] != "33152" || o.Meta["mtime"] != "5" {
		t.Errorf("got %+v", o)
	}
	m.checkObject("d/a", []byte("content"))
}

func TestSetAttrKeepsWhatItDoesNotChange(t *testing.T) {
	m := mount(t, Options{})
	m.put("a", []byte("content"), remote.PutOptions{ContentType: "text/x-own",
		Meta: remote.Meta{"foreign": "kept", "uid": "7", "gid": "8", "xattr": "%7B%22user.a%22%3A%22Ynl0ZXM%3D%22%7D"}})
	m.setAttrNow("a", setMode(0o100600))
	o := m.head("a")
	if o.ContentType != "text/x-own" || o.Meta["foreign"] != "kept" || o.Meta["uid"] != "7" || o.Meta["mode"] != "33152" ||
		string(ParseAttr(o.Meta).Xattrs["user.a"]) != "bytes" {
		t.Errorf("got %+v", o)
	}
	m.setAttrNow("a", func(a *Attr) { a.Xattrs = nil })
	if o := m.head("a"); o.Meta["xattr"] != "" || o.Meta["foreign"] != "kept" {
		t.Errorf("got %+v", o)
	}
}

func TestSetAttrMissesNoChangeMadeElsewhere(t *testing.T) {
	m := mount(t, Options{})
	m.put("a", []byte("content"))
	m.setAttrNow("a", setMode(0o100600))
	m.put("a", []byte("theirs"))
	m.setAttrNow("a", setMode(0o100644)) // which was set on what is not there any more
	m.checkObject("a", []byte("theirs"))
	if o := m.head("a"); o.Meta["mode"] != "" || m.stat("a").Attr.HasMode {
		t.Errorf("theirs got attributes of ours: %v", o.Meta)
	}
	m.setAttrNow("a", setMode(0o100644))
	if o := m.head("a"); o.Meta["mode"] != "33188" {
		t.Errorf("got %+v", o)
	}
}

func TestSetAttrsAtOnceAllHold(t *testing.T) {
	m := mount(t, Options{})
	m.put("a", []byte("content"))
	m.setAttr("a", setMode(0o100600))
	m.stat("a")
	m.server.ResetCounts()
	var group sync.WaitGroup
	for _, change := range []func(*Attr){
		setMode(0o100644),
		func(a *Attr) { a.Mtime = time.Unix(5, 0) },
		func(a *Attr) { a.UID, a.GID, a.HasOwner = 7, 8, true },
	} {
		group.Go(func() {
			if err := m.SetAttr(t.Context(), "a", change); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	noError(t, m.Sync(t.Context()))
	if o := m.head("a"); o.Meta["mode"] != "33188" || o.Meta["mtime"] != "5" || o.Meta["uid"] != "7" {
		t.Errorf("got %v", o.Meta)
	}
}

func TestSetAttrOfADirectoryWritesItsMarker(t *testing.T) {
	m := mount(t, Options{})
	m.put("d/a", nil)
	m.checkKind("d/a", File)
	m.server.ResetCounts()
	m.setAttrNow("d", setMode(0o40700))
	m.checkRequests("no marker yet", counts{emulator.OpListObjects: 1, emulator.OpHeadObject: 1, emulator.OpPutObject: 1})
	m.setAttrNow("d", func(a *Attr) { a.Mtime = time.Unix(5, 0) })
	m.checkRequests("again", counts{emulator.OpGetObjectACL: 1, emulator.OpPutObject: 1})
	if e := m.stat("d"); e.Attr.Mode != 0o40700 || !e.Attr.Mtime.Equal(time.Unix(5, 0)) {
		t.Errorf("got %+v", e)
	}
	if o := m.head("d/"); o.Meta["mode"] != "16832" || o.Meta["mtime"] != "5" || o.ContentType != markerType {
		t.Errorf("got %+v", o)
	}
}

func TestSetAttrOfTheBucketsRootLastsAsLongAsTheMount(t *testing.T) {
	m := mount(t, Options{})
	m.setAttr("", setMode(0o40700))
	if e := m.stat(""); e.Attr.Mode != 0o40700 {
		t.Errorf("got %+v", e)
	}
	m.checkRequests("root", counts{})
}

func TestSetAttrOfAnAbsentNameFails(t *testing.T) {
	m := mount(t, Options{})
	if err := m.SetAttr(t.Context(), "none", setMode(1)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
}

func TestSetMetaChangesTheContentType(t *testing.T) {
	m := mount(t, Options{})
	m.put("a", []byte("content"), remote.PutOptions{Meta: remote.Meta{"foreign": "kept"}})
	if err := m.SetMeta(t.Context(), "a", func(meta remote.Meta, contentType *string) {
		meta["own"], *contentType = "1", "text/x-own"
	}); err != nil {
		t.Fatal(err)
	}
	noError(t, m.Sync(t.Context()))
	if o := m.head("a"); o.ContentType != "text/x-own" || o.Meta["own"] != "1" || o.Meta["foreign"] != "kept" {
		t.Errorf("got %+v", o)
	}
}
