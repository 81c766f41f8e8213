package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

// mountBehind is mount in write-back mode.
func mountBehind(t testing.TB, o Options) *mounted {
	t.Helper()
	o.WriteBack = true
	return mount(t, o)
}

// save makes a file of that content, and closes it.
func (m *mounted) save(n Name, body []byte) {
	m.t.Helper()
	s := m.overwrite(n)
	defer s.Release()
	m.write(s, body, 0)
	if err := s.Save(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
}

func (m *mounted) sync() {
	m.t.Helper()
	if err := m.Sync(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
}

// checkFile compares what the mount shows with want; nil: there is nothing.
func (m *mounted) checkFile(n Name, want []byte) {
	m.t.Helper()
	got, err := m.readFile(m.t.Context(), n)
	if err != nil || (got == nil) != (want == nil) || !bytes.Equal(got, want) {
		m.t.Errorf("file %q: exists %v with %d bytes, %v; want %v, %d; first difference at %d",
			n, got != nil, len(got), err, want != nil, len(want), firstDifference(got, want))
	}
}

func (m *mounted) readFile(ctx context.Context, n Name) ([]byte, error) {
	e, err := m.Stat(ctx, n)
	if err != nil || e.Kind != File {
		return nil, err
	}
	body := make([]byte, e.Object.Size)
	if e.Staged != nil && !e.Staged.Retain() {
		return m.readFile(ctx, n) // it has just left the stage
	}
	if e.Staged != nil {
		defer e.Staged.Release()
		if n, err := e.Staged.ReadAt(ctx, body, 0); n < len(body) {
			return nil, err
		}
		return body, nil
	}
	r := m.Reader(e.Object)
	defer r.Close()
	for off := 0; off < len(body); {
		v, err := r.Read(ctx, int64(off), min(len(body)-off, 1<<20))
		if err != nil {
			return nil, err
		}
		off += v.CopyTo(body[off:])
		v.Release()
	}
	return body, nil
}

// crashBehind is crash in write-back mode; what the cache that was has begun to
// send may arrive, and nothing begins after what the journal then says.
func (m *mounted) crashBehind() {
	m.t.Helper()
	was := m.Cache
	was.cancel() // nothing is sent any more that the copy does not know of
	dir := copyStage(m.t, was.stage.root)
	if err := was.Close(); err != nil {
		m.t.Fatal(err)
	}
	eventually(m.t, "the server has done what it was asked", func() bool { return sum(m.server.Counts()) <= len(m.server.Log()) })
	m.Cache = m.open(Options{StageDir: dir, WriteBack: true})
}

func TestCloseInWriteBackModeSendsNothingAndSurvivesACrash(t *testing.T) {
	for name, size := range map[string]int64{"in the journal": 1000, "in a data file": 100_000, "in parts": 20 << 20} {
		t.Run(name, func(t *testing.T) {
			m := mountBehind(t, Options{})
			want := random(name, size)
			m.save("a", want)
			m.checkFile("a", want)
			m.crashBehind()
			m.checkFile("a", want)
			m.sync()
			m.checkObject("a", want)
			m.checkStageEmpty()
			m.checkNoUploads()
		})
	}
}

func TestSaveByRenameIsOnePut(t *testing.T) {
	m := mountBehind(t, Options{})
	m.put("a", []byte("old"))
	m.checkKind("a", File)
	m.checkKind("tmp", Absent)
	m.server.ResetCounts()
	m.save("tmp", []byte("new"))
	if err := m.SetAttr(t.Context(), "tmp", setMode(0o100640)); err != nil {
		t.Fatal(err)
	}
	m.rename("tmp", "a")
	m.checkFile("a", []byte("new"))
	m.checkFile("tmp", nil)
	m.sync()
	m.checkRequests("the whole save", counts{emulator.OpGetObjectACL: 1, emulator.OpPutObject: 1})
	m.checkObject("a", []byte("new"))
	if o := m.head("a"); o.Meta["mode"] != fmt.Sprint(0o100640) {
		t.Errorf("mode %q", o.Meta["mode"])
	}
	m.checkStageEmpty()
}

func TestManyRemovalsAreOneRequest(t *testing.T) {
	m := mountBehind(t, Options{})
	m.fill("d/", 300)
	if _, err := m.ReadDir(t.Context(), "d"); err != nil {
		t.Fatal(err)
	}
	m.server.ResetCounts()
	for i := range 300 {
		if err := m.Remove(t.Context(), Name(fmt.Sprintf("d/%05d", i)), false); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := m.ReadDir(t.Context(), "d"); err != nil || len(all) != 0 {
		t.Errorf("%d names are left, %v", len(all), err)
	}
	m.sync()
	m.checkRequests("300 removals, and the marker of what is empty then", counts{emulator.OpDeleteObjects: 1, emulator.OpListObjects: 1, emulator.OpPutObject: 1})
	m.checkObject("d/00007", nil)
	if live := m.stage.journal.Live(); len(live) > 0 {
		t.Errorf("left in the journal: %+v", live)
	}
}

func TestRenameOfAnObjectIsACopyBehind(t *testing.T) {
	for name, isCrash := range map[string]bool{"synced": false, "after a crash": true} {
		t.Run(name, func(t *testing.T) {
			m := mountBehind(t, Options{})
			want := random("a", 50_000)
			m.put("d/a", want, remote.PutOptions{Meta: remote.Meta{"mode": "33184", "foreign": "kept"}})
			m.stat("d/a")
			if _, err := m.Describe(t.Context(), "d/a", m.stat("d/a")); err != nil {
				t.Fatal(err)
			}
			m.server.ResetCounts()
			m.rename("d/a", "d/b")
			m.rename("d/b", "d/c")
			m.checkRequests("renaming", counts{})
			m.checkFile("d/a", nil)
			if isCrash {
				m.crashBehind()
				m.server.ResetCounts()
			}
			m.checkFile("d/c", want)
			m.sync()
			if got := m.server.Counts()[emulator.OpPutObject]; got != 0 {
				t.Errorf("%d uploads, want a copy", got)
			}
			m.checkObject("d/a", nil)
			m.checkObject("d/b", nil)
			m.checkObject("d/c", want)
			if o := m.head("d/c"); o.Meta["foreign"] != "kept" || o.Meta["mode"] != "33184" {
				t.Errorf("metadata %v", o.Meta)
			}
			m.checkStageEmpty()
		})
	}
}

func TestFilesThatChangePlacesKeepTheirBytes(t *testing.T) {
	m := mountBehind(t, Options{})
	a, b := random("a", 1000), random("b", 2000)
	m.put("a", a)
	m.put("b", b)
	m.rename("a", "t")
	m.rename("b", "a")
	m.rename("t", "b")
	m.checkFile("a", b)
	m.checkFile("b", a)
	m.sync()
	m.checkObject("a", b)
	m.checkObject("b", a)
	m.checkObject("t", nil)
	m.checkStageEmpty()
}

func TestNewFileInTheJustRenamedOnesPlace(t *testing.T) {
	m := mountBehind(t, Options{})
	old := random("old", 1000)
	m.put("log", old)
	m.rename("log", "log.1")
	m.save("log", []byte("new"))
	m.sync()
	m.checkObject("log.1", old)
	m.checkObject("log", []byte("new"))
	m.checkStageEmpty()
}

func TestDirectoriesInWriteBackMode(t *testing.T) {
	m := mountBehind(t, Options{})
	if err := m.Mkdir(t.Context(), "d", Attr{Mode: 0o40750, HasMode: true}); err != nil {
		t.Fatal(err)
	}
	m.checkKind("d", Dir)
	if e := m.stat("d"); e.Attr.Mode != 0o40750 {
		t.Errorf("mode %o", e.Attr.Mode)
	}
	m.save("d/a", []byte("content"))
	if err := m.Rmdir(t.Context(), "d"); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("full: %v", err)
	}
	if err := m.SetAttr(t.Context(), "d", setMode(0o40700)); err != nil {
		t.Fatal(err)
	}
	m.sync()
	if o := m.head("d/"); o.Meta["mode"] != fmt.Sprint(0o40700) || o.ContentType != markerType {
		t.Errorf("marker %+v", o)
	}
	m.remove("d/a")
	if err := m.Rmdir(t.Context(), "d"); err != nil {
		t.Error(err)
	}
	m.checkKind("d", Absent)
	m.sync()
	m.checkObject("d/", nil)
	m.checkObject("d/a", nil)
	m.checkStageEmpty()
}

func TestDirectoryKeepsItsAttributesUntilItIsInTheBucket(t *testing.T) {
	m := mountBehind(t, Options{MetadataTTL: time.Millisecond})
	remove := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Effect: emulator.StallHeader})
	if err := m.Mkdir(t.Context(), "d", Attr{Mode: 0o40750, HasMode: true}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(5 * time.Millisecond) // the listing is asked again
	if e := m.stat("d"); e.Kind != Dir || e.Attr.Mode != 0o40750 {
		t.Errorf("kind %d, mode %o", e.Kind, e.Attr.Mode)
	}
	remove()
	m.sync()
}

// TestMarkerOfAnotherIsNotTakenForOurs: all have the same bytes.
func TestMarkerOfAnotherIsNotTakenForOurs(t *testing.T) {
	m := mountBehind(t, Options{MetadataTTL: time.Millisecond})
	free := m.hold("d/")
	if err := m.Mkdir(t.Context(), "d", Attr{Mode: 0o40750, HasMode: true}); err != nil {
		t.Fatal(err)
	}
	m.put("d/", nil)
	time.Sleep(2 * time.Millisecond) // from then on it is late
	free()
	m.sync()
	if meta := m.head("d/").Meta; meta["mode"] != "16872" {
		t.Errorf("metadata %v, want mode 16872", meta)
	}
}

func TestAttributesOfADirectoryLeaveWhatIsInIt(t *testing.T) {
	m := mountBehind(t, Options{})
	m.put("d/a", []byte("content"))
	if err := m.SetAttr(t.Context(), "d", setMode(0o40700)); err != nil {
		t.Fatal(err)
	}
	m.checkKind("d/a", File)
	m.remove("d/a")
	m.checkKind("d", Dir)
	m.sync()
	m.checkKind("d", Dir)
}

func TestLinkIsReadBeforeItsUpload(t *testing.T) {
	m := mountBehind(t, Options{})
	if err := m.Store(t.Context(), "l", []byte("target"), Attr{Mode: 0o120777, HasMode: true}); err != nil {
		t.Fatal(err)
	}
	if body, err := m.ReadAll(t.Context(), m.stat("l")); err != nil || string(body) != "target" {
		t.Errorf("%q, %v", body, err)
	}
	m.sync()
	m.checkObject("l", []byte("target"))
}

func TestNewFileAfterARemovalIsNoConflict(t *testing.T) {
	m := mountBehind(t, Options{MetadataTTL: time.Millisecond}) // every commit is late
	m.put("a", []byte("old"))
	m.remove("a")
	m.save("a", []byte("new"))
	time.Sleep(2 * time.Millisecond) // older than the TTL
	m.sync()
	m.checkObject("a", []byte("new"))
	m.checkStageEmpty()
}

func TestLateUploadInWriteBackModeKeepsBothVersions(t *testing.T) {
	m := mountBehind(t, Options{MetadataTTL: time.Millisecond})
	repair := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Key: "a", Effect: emulator.Refuse, Code: "AccessDenied", Count: 1})
	m.save("a", []byte("mine"))
	if err := m.Sync(t.Context()); err == nil {
		t.Error("no error")
	}
	repair()
	m.put("a", []byte("theirs"))
	m.sync()
	m.checkObject("a", []byte("theirs"))
	m.checkFile("a", []byte("theirs"))
	m.checkConflictCopy("a", []byte("mine"))
	m.checkStageEmpty()
}

func TestPendingChangesAreListedExportedAndDiscarded(t *testing.T) {
	m := mountBehind(t, Options{})
	m.put("gone", []byte("x"))
	defer m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Effect: emulator.Refuse, Code: "AccessDenied"})()
	defer m.server.Faults().Add(emulator.Fault{Operation: emulator.OpDeleteObject, Effect: emulator.Refuse, Code: "AccessDenied"})()
	m.save("a", []byte("content"))
	m.remove("gone")
	if err := m.Sync(t.Context()); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("sync: %v", err)
	}
	byKey := map[string]Pending{}
	for _, p := range m.Pending() {
		byKey[p.Key] = p
	}
	a, gone := byKey["a"], byKey["gone"]
	if len(byKey) != 2 || a.Size != 7 || a.State != StateFailed || !strings.Contains(a.Error, "AccessDenied") ||
		gone.State != StateRemoved || !strings.Contains(gone.Error, "AccessDenied") {
		t.Fatalf("%+v", byKey)
	}
	if b := m.Backlog(); b.Changes != 2 || b.Bytes != 7 || b.Kept != 0 {
		t.Errorf("%+v", b)
	}
	var out bytes.Buffer
	if err := m.Export(t.Context(), a.ID, &out); err != nil || out.String() != "content" {
		t.Errorf("export: %q, %v", out.String(), err)
	}
	if err := m.Retry(t.Context(), a.ID); remote.CodeOf(err) != remote.AccessDenied {
		t.Errorf("retry: %v", err)
	}
	if err := m.Discard(t.Context(), a.ID, gone.ID); err != nil {
		t.Error(err)
	}
	m.checkKind("a", Absent)
	m.checkFile("gone", []byte("x"))
	m.checkStageEmpty()
	if left := m.Pending(); len(left) > 0 {
		t.Errorf("left: %+v", left)
	}
}

func TestUnclosedFileIsKeptAndUploadedOnRequest(t *testing.T) {
	m := mountBehind(t, Options{})
	s := m.overwrite("a")
	defer s.Release()
	want := random("a", 100_000)
	m.write(s, want, 0)
	s.mu.Lock()
	s.noteLocked(StateOpen, nil) // else up to a second later
	s.mu.Unlock()
	dir := copyStage(t, m.stage.root)
	for range 2 {
		c := m.open(Options{StageDir: dir, WriteBack: true})
		p := c.Pending()
		if len(p) != 1 || p[0].State != StateOpen || p[0].Size != int64(len(want)) {
			t.Fatalf("%+v", p)
		}
		if e, err := c.Stat(t.Context(), "a"); err != nil || e.Kind != Absent {
			t.Errorf("shown: %+v, %v", e, err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	c := m.open(Options{StageDir: dir, Idle: true})
	p := c.Pending()
	var out bytes.Buffer
	if err := c.Export(t.Context(), p[0].ID, &out); err != nil || !bytes.Equal(out.Bytes(), want) {
		t.Errorf("export: %d bytes, %v", out.Len(), err)
	}
	if err := c.Retry(t.Context(), p[0].ID); err != nil {
		t.Error(err)
	}
	m.checkObject("a", want)
	if left := c.Pending(); len(left) > 0 {
		t.Errorf("left: %+v", left)
	}
}

func TestEmptyingAPromisedFileDoesNotTouchThePromise(t *testing.T) {
	m := mountBehind(t, Options{})
	first := random("first", 100_000)
	s := m.overwrite("a")
	defer s.Release()
	m.write(s, first, 0)
	if err := s.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Truncate(0); err != nil {
		t.Fatal(err)
	}
	m.write(s, random("second", 90_000), 0)
	dir := copyStage(t, m.stage.root)
	c := m.open(Options{StageDir: dir, WriteBack: true})
	other := &mounted{Cache: c, t: t, server: m.server, other: m.other, ahead: m.ahead}
	other.checkFile("a", first)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.sync()
	m.checkObject("a", random("second", 90_000))
}

func TestACLOfAnUnsentFileFollowsItsUpload(t *testing.T) {
	m := mountBehind(t, Options{})
	m.save("a", []byte("content"))
	if err := m.SetACL(t.Context(), "a", grants(t)); err != nil {
		t.Fatal(err)
	}
	refuse := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObjectACL, Effect: emulator.Refuse, Code: "AccessDenied"})
	if err := m.Sync(t.Context()); err == nil {
		t.Error("no error")
	}
	m.checkObject("a", []byte("content"))
	m.crashBehind()
	if acl, err := m.ACL(t.Context(), "a"); err != nil || acl.Text() != grants(t).Text() {
		t.Errorf("shown: %+v, %v", acl, err)
	}
	refuse()
	m.sync()
	m.checkACL("a", grants(t))
	m.checkStageEmpty()
}

func TestSyncLeavesWhatHandlesRead(t *testing.T) {
	m := mountBehind(t, Options{})
	m.put("a", []byte("content"))
	m.checkKind("a", File)
	if err := m.Remove(t.Context(), "a", true); err != nil {
		t.Fatal(err)
	}
	m.sync()
	m.checkObject("a", []byte("content"))
	if err := m.awaitRemoval(m.path("a")); err != nil {
		t.Error(err)
	}
	m.checkObject("a", nil)
}

func TestHalfOfANewVersionIsNotUploadedInThePlaceOfAPromise(t *testing.T) {
	m := mountBehind(t, Options{})
	first := random("first", 100_000)
	m.save("a", first)
	s := m.overwrite("a")
	defer s.Release()
	m.write(s, []byte("half of the sec"), 0)
	m.sync()
	m.checkObject("a", nil)
	m.write(s, []byte("ond"), 15)
	if err := s.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.sync()
	m.checkObject("a", []byte("half of the second"))
}
