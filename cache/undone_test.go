package cache

import (
	"context"
	"testing"
	"time"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

// lose lets the bucket do the next request of an operation without an answer,
// and refuse all later ones.
func (m *mounted) lose(op string) (heal func()) {
	m.t.Helper()
	m.server.Faults().Add(emulator.Fault{Operation: op, Count: 1, Effect: emulator.Lose})
	m.server.Faults().Add(emulator.Fault{Operation: op, Effect: emulator.Refuse, Code: "AccessDenied"})
	return m.server.Faults().Clear
}

// TestWhatAFailedChangeMayHaveMadeIsLookedUp: the mount believed the name to be
// absent.
func TestWhatAFailedChangeMayHaveMadeIsLookedUp(t *testing.T) {
	for name, c := range map[string]struct {
		op     string
		change func(m *mounted, ctx context.Context) error
		want   Kind
	}{
		"rename": {emulator.OpCopyObject, func(m *mounted, ctx context.Context) error {
			_, err := m.Rename(ctx, "d/a", "new")
			return err
		}, File},
		"rename of a directory": {emulator.OpCopyObject, func(m *mounted, ctx context.Context) error {
			_, err := m.RenameDir(ctx, "d", "new")
			return err
		}, Absent}, // undone
		"store": {emulator.OpPutObject, func(m *mounted, ctx context.Context) error {
			return m.Store(ctx, "new", []byte("target"), Attr{})
		}, File},
		"mkdir": {emulator.OpPutObject, func(m *mounted, ctx context.Context) error {
			return m.Mkdir(ctx, "new", Attr{})
		}, Dir},
	} {
		t.Run(name, func(t *testing.T) {
			m := mount(t, Options{})
			m.put("d/a", []byte("content"))
			m.checkKind("d/a", File)
			m.checkKind("new", Absent)
			heal := m.lose(c.op)
			if err := c.change(m, t.Context()); err == nil {
				t.Fatal("no error")
			}
			heal()
			m.checkObject("d/a", []byte("content"))
			m.checkKind("new", c.want)
		})
	}
}

// TestRenamedDirectoryIsShownThoughItsOriginalsCannotGo: everything is at its
// new place then.
func TestRenamedDirectoryIsShownThoughItsOriginalsCannotGo(t *testing.T) {
	for name, spoil := range map[string]func(m *mounted) (heal func()){
		"refused": func(m *mounted) func() {
			return m.server.Faults().Add(emulator.Fault{Operation: emulator.OpDeleteObjects, Effect: emulator.Refuse, Code: "AccessDenied"})
		},
		"done, but the answer is lost": func(m *mounted) func() { return m.lose(emulator.OpDeleteObjects) },
	} {
		t.Run(name, func(t *testing.T) {
			m := mount(t, Options{})
			m.put("d/a", []byte("0123456789"))
			m.put("d/b", []byte("b"))
			m.checkKind("d/b", File)
			s := m.edit("d/a")
			m.write(s, []byte("xy"), 4)
			heal := spoil(m)
			if _, err := m.RenameDir(t.Context(), "d", "e"); err != nil {
				t.Error(err)
			}
			heal()
			m.checkKind("e/a", File)
			m.checkKind("e/b", File)
			m.checkStaged(s, []byte("0123xy6789"))
			m.commit(s)
			s.Release()
			m.checkObject("e/a", []byte("0123xy6789"))
		})
	}
}

func TestFailedRenameOverAnEmptyDirectoryLeavesItsMarker(t *testing.T) {
	m := mount(t, Options{})
	own := remote.PutOptions{ContentType: markerType, Meta: remote.Meta{"mode": "16832"}}
	m.put("from/", nil, remote.PutOptions{ContentType: markerType, Meta: remote.Meta{"mode": "16877"}})
	m.put("from/b", []byte("b"))
	m.put("to/", nil, own)
	refuse := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpCopyObject, Key: "to/b", Effect: emulator.Refuse, Code: "AccessDenied"})
	if _, err := m.RenameDir(t.Context(), "from", "to"); err == nil {
		t.Error("renamed")
	}
	refuse()
	m.checkObject("to/", []byte{})
	m.checkObject("to/b", nil)
	m.checkObject("from/b", []byte("b"))
	m.checkKind("to", Dir)
}

// TestRenameLeavesNothingOfAnUploadWhoseAnswerWasLost, nor what the file has
// replaced without an upload.
func TestRenameLeavesNothingOfAnUploadWhoseAnswerWasLost(t *testing.T) {
	m := mount(t, Options{})
	s := m.overwrite("tmp")
	m.write(s, []byte("content"), 0)
	heal := m.lose(emulator.OpPutObject)
	if err := s.Commit(t.Context()); err == nil {
		t.Error("committed")
	}
	heal()
	m.rename("tmp", "final")
	m.commit(s)
	s.Release()
	m.checkObject("tmp", nil)
	m.checkObject("final", []byte("content"))
}

func TestFileRenamedOverAnotherTwiceLeavesNothingOfIt(t *testing.T) {
	m := mount(t, Options{})
	m.put("a", []byte("old"))
	m.checkKind("a", File)
	s := m.overwrite("tmp")
	m.write(s, []byte("new"), 0)
	m.rename("tmp", "a")
	m.rename("a", "b")
	m.checkKind("a", Absent)
	m.checkObject("a", nil)
	m.commit(s)
	s.Release()
	m.checkObject("b", []byte("new"))
}

// TestDirectoryInARenamedOnesPlaceHasItsOwnAttributes, not the remembered ones.
func TestDirectoryInARenamedOnesPlaceHasItsOwnAttributes(t *testing.T) {
	m := mount(t, Options{})
	for _, n := range []Name{"d", "d/sub"} {
		if err := m.Mkdir(t.Context(), n, Attr{Mode: 0o40700, HasMode: true}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.RenameDir(t.Context(), "d", "e"); err != nil {
		t.Fatal(err)
	}
	m.put("d/sub/x", nil)
	m.Forget("d")
	for _, n := range []Name{"d", "d/sub"} {
		if e := m.stat(n); e.Kind != Dir || e.Attr.Mode == 0o40700 {
			t.Errorf("%s: %+v", n, e)
		}
	}
	if e := m.stat("e/sub"); e.Attr.Mode != 0o40700 {
		t.Errorf("e/sub: %+v", e)
	}
}

// TestOlderRequestThatIsCarriedOutBetweenTwoMountsIsRepaired: the bytes of the
// newer upload are still here.
func TestOlderRequestThatIsCarriedOutBetweenTwoMountsIsRepaired(t *testing.T) {
	for op, first := range map[string]func(*mounted){
		emulator.OpPutObject:    func(m *mounted) { m.create("a", random("first", 3000)) },
		emulator.OpDeleteObject: func(m *mounted) { m.remove("a") },
	} {
		t.Run(op, func(t *testing.T) {
			m := mount(t, Options{LateTime: time.Minute})
			m.create("a", random("before", 2000))
			m.server.Faults().Add(emulator.Fault{Operation: op, Effect: emulator.LoseLate, After: 300 * time.Millisecond, Count: 1})
			second := random("second", 1000)
			first(m)
			m.create("a", second)
			is := m.head("a").ETag
			eventually(t, "the late request is carried out", func() bool { return m.head("a").ETag != is })
			m.late = 100 * time.Millisecond
			m.crash()
			eventually(t, "the newer is there again", func() bool { return m.head("a").ETag == is })
			m.checkObject("a", second)
			m.sync()
			m.checkObject("a", second)
		})
	}
}
