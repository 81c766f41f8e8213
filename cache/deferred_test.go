package cache

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"testing"
	"time"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

// checkMode compares the mode in an object's metadata with want.
func (m *mounted) checkMode(key string, want uint32) {
	m.t.Helper()
	if got := m.head(key).Meta[metaMode]; got != strconv.Itoa(int(want)) {
		m.t.Errorf("mode of %s is %q, want %d", key, got, want)
	}
}

// TestAttributesOfAFileAreOneRequestTogether: what is set within attrsTime.
func TestAttributesOfAFileAreOneRequestTogether(t *testing.T) {
	m := mount(t, Options{})
	m.put("a", []byte("content"))
	m.put("d/", nil, remote.PutOptions{ContentType: markerType})
	m.checkKind("a", File)
	m.checkKind("d", Dir)
	m.server.ResetCounts()
	for _, n := range []Name{"a", "d"} {
		m.setAttr(n, setMode(0o600))
		m.setAttr(n, func(a *Attr) { a.Mtime = time.Unix(5, 0) })
		m.setAttr(n, func(a *Attr) { a.UID, a.GID, a.HasOwner = 7, 8, true })
	}
	for _, n := range []Name{"a", "d"} {
		if a := m.stat(n).Attr; a.Mode != 0o600 || a.Mtime != time.Unix(5, 0) || a.UID != 7 {
			t.Errorf("%s shows %+v", n, a)
		}
	}
	m.checkRequests("until they are due", counts{emulator.OpHeadObject: 2})
	m.checkStageEmpty()
	m.checkRequests("then", counts{emulator.OpGetObjectACL: 2, emulator.OpCopyObject: 1, emulator.OpPutObject: 1})
	for _, key := range []string{"a", "d/"} {
		if meta := m.head(key).Meta; meta["mode"] != strconv.Itoa(0o600) || meta["mtime"] != "5" || meta["uid"] != "7" {
			t.Errorf("%s has %v", key, meta)
		}
	}
}

// TestAttributesWaitNoLongerThanTheyMay: those that change all the time, too.
func TestAttributesWaitNoLongerThanTheyMay(t *testing.T) {
	m := mount(t, Options{})
	m.put("a", []byte("content"))
	begun, mode := time.Now(), uint32(0o100000)
	for ; m.server.Counts()[emulator.OpCopyObject] == 0; time.Sleep(10 * time.Millisecond) {
		mode++
		m.setAttr("a", setMode(mode))
		if time.Since(begun) > 3*attrsTime {
			t.Fatal("nothing is stored while attributes change")
		}
	}
	if took := time.Since(begun); took < attrsTime/2 {
		t.Errorf("they were stored after %v", took)
	}
	m.checkStageEmpty()
	m.checkMode("a", mode)
}

// TestRenameTakesAttributesAlong: as rsync has it, three requests for a new file.
func TestRenameTakesAttributesAlong(t *testing.T) {
	m := mount(t, Options{})
	m.checkKind("a", Absent)
	m.server.ResetCounts()
	m.create(".a.1", []byte("content"))
	m.setAttr(".a.1", setMode(0o100600))
	m.setAttr(".a.1", func(a *Attr) { a.Mtime = time.Unix(5, 0) })
	m.rename(".a.1", "a")
	if e := m.stat("a"); e.Attr.Mode != 0o100600 || !e.Attr.Mtime.Equal(time.Unix(5, 0)) {
		t.Errorf("shows %+v", e.Attr)
	}
	m.checkStageEmpty()
	noError(t, m.Sync(t.Context()))
	m.checkRequests("all", counts{emulator.OpPutObject: 1, emulator.OpCopyObject: 1, emulator.OpDeleteObject: 1})
	if o := m.head("a"); o.Meta["mode"] != strconv.Itoa(0o100600) || o.Meta["mtime"] != "5" {
		t.Errorf("has %v", o.Meta)
	}
	m.checkObject("a", []byte("content"))
}

// TestRenameTakesAttributesOfThatVersionOnly: they were not set on what another
// client has stored meanwhile.
func TestRenameTakesAttributesOfThatVersionOnly(t *testing.T) {
	m := mount(t, Options{})
	m.put("a", []byte("content"))
	m.setAttr("a", setMode(0o100600))
	m.put("a", []byte("theirs"))
	m.rename("a", "b")
	_ = m.Sync(t.Context()) // may say that they are dropped
	m.checkStageEmpty()
	m.checkObject("b", []byte("theirs"))
	if meta := m.head("b").Meta; meta["mode"] != "" {
		t.Errorf("theirs has %v", meta)
	}
}

func TestAttributesRideAlongWithBytes(t *testing.T) {
	m := mount(t, Options{})
	m.create("a", []byte("content"))
	m.server.ResetCounts()
	m.setAttr("a", setMode(0o100600))
	s := m.overwrite("a")
	m.write(s, []byte("new"), 0)
	noError(t, s.Save(t.Context()))
	s.Release()
	m.checkStageEmpty()
	m.checkRequests("both", counts{emulator.OpGetObjectACL: 1, emulator.OpPutObject: 1})
	m.checkMode("a", 0o100600)
	m.checkObject("a", []byte("new"))
}

// TestCloseLeavesAttributesBehind: fsync does not.
func TestCloseLeavesAttributesBehind(t *testing.T) {
	m := mount(t, Options{})
	m.put("a", []byte("content"))
	s := m.edit("a")
	defer s.Release()
	m.server.ResetCounts()
	s.SetAttr(setMode(0o100600))
	noError(t, s.Save(t.Context()))
	m.checkRequests("close", counts{})
	noError(t, s.Sync(t.Context()))
	m.checkRequests("fsync", counts{emulator.OpCopyObject: 1}) // the ACL was looked at when it was opened
	m.checkMode("a", 0o100600)
}

func TestRemovalDropsAttributes(t *testing.T) {
	m := mount(t, Options{})
	m.put("a", []byte("content"))
	m.put("d/", nil, remote.PutOptions{ContentType: markerType})
	m.setAttr("a", setMode(0o100600))
	m.setAttr("d", setMode(0o40700))
	m.server.ResetCounts()
	m.remove("a")
	noError(t, m.Rmdir(t.Context(), "d"))
	m.checkRequests("both", counts{emulator.OpListObjects: 1, emulator.OpDeleteObject: 2})
	m.checkStageEmpty()
	m.crash()
	m.checkKind("a", Absent)
	m.checkKind("d", Absent)
	noError(t, m.Sync(t.Context()))
	m.checkObject("a", nil)
	m.checkObject("d/", nil)
}

func TestRmdirThatFailsKeepsAttributes(t *testing.T) {
	m := mount(t, Options{})
	m.put("d/", nil, remote.PutOptions{ContentType: markerType})
	m.setAttr("d", setMode(0o40700))
	heal := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpDeleteObject, Effect: emulator.Refuse, Code: "AccessDenied"})
	if err := m.Rmdir(t.Context(), "d"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("rmdir: %v, want ErrPermission", err)
	}
	heal()
	noError(t, m.Drain(t.Context()))
	m.checkMode("d/", 0o40700)
}

// TestAttributesSurviveACrash: at every moment between the change and its end.
func TestAttributesSurviveACrash(t *testing.T) {
	m := mount(t, Options{})
	m.put("a", []byte("content"))
	m.put("b", []byte("moved"))
	m.put("d/x", nil)
	m.setAttr("a", setMode(0o100600))
	m.setAttr("b", setMode(0o100600))
	m.setAttr("d", setMode(0o40700))
	m.rename("b", "c")
	m.crash()
	for n, mode := range map[Name]uint32{"a": 0o100600, "c": 0o100600, "d": 0o40700} {
		if got := m.stat(n).Attr.Mode; n != "c" && got != mode {
			t.Errorf("after a crash %s has mode %o, want %o", n, got, mode)
		}
	}
	noError(t, m.Sync(t.Context()))
	m.checkMode("a", 0o100600)
	m.checkMode("c", 0o100600)
	m.checkMode("d/", 0o40700)
	m.checkObject("a", []byte("content"))
	m.checkStageEmpty()
}

// TestLossOfPowerTakesAttributesThatWait: they may be older by then than what the
// bucket has, and nothing says so.
func TestLossOfPowerTakesAttributesThatWait(t *testing.T) {
	m := mount(t, Options{})
	m.put("a", []byte("content"))
	m.setAttr("a", setMode(0o100600))
	noError(t, m.Mkdir(t.Context(), "d", Attr{}))
	m.setAttr("d", setMode(0o40700))
	m.cancel()
	m.Cache = m.open(Options{StageDir: copyStage(t, m.stage.root), Boot: "another"})
	if pending := m.Pending(); len(pending) > 0 {
		t.Errorf("pending: %+v", pending)
	}
	noError(t, m.Sync(t.Context()))
	if meta := m.head("a").Meta; meta["mode"] != "" {
		t.Errorf("has %v", meta)
	}
	m.checkStageEmpty()
}

// TestFailedAttributesAreKept: also by a loss of power, and from then on a change
// says that it is refused.
func TestFailedAttributesAreKept(t *testing.T) {
	m := mount(t, Options{})
	m.put("a", []byte("content"))
	m.put("b", []byte("content"))
	heal := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpCopyObject, Effect: emulator.Refuse, Code: "AccessDenied"})
	m.setAttr("a", setMode(0o100600))
	var pending []Pending
	eventually(t, "it has failed", func() bool {
		pending = m.Pending()
		return len(pending) == 1 && pending[0].State == StateFailed
	})
	if p := pending[0]; p.Name != "a" || !strings.Contains(p.Error, "AccessDenied") || p.Sent != p.Size || p.IsKept {
		t.Errorf("pending: %+v", p)
	}
	if err := m.SetAttr(t.Context(), "b", setMode(0o100600)); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("another change: %v, want ErrPermission", err)
	}
	m.cancel()
	heal()
	m.Cache = m.open(Options{StageDir: copyStage(t, m.stage.root), Boot: "another"})
	noError(t, m.Sync(t.Context()))
	m.checkMode("a", 0o100600)
	m.setAttr("b", setMode(0o100640))
	noError(t, m.Drain(t.Context()))
	m.checkMode("b", 0o100640)
}

// TestACLOfANewFileIsKnownForAMoment: another client may have set it after that.
func TestACLOfANewFileIsKnownForAMoment(t *testing.T) {
	m := mount(t, Options{})
	m.create("a", []byte("content"))
	noError(t, m.Mkdir(t.Context(), "d", Attr{}))
	m.share("set", canned(t, remote.PublicRead))
	m.create("mine", []byte("content"))
	noError(t, m.SetACL(t.Context(), "mine", canned(t, remote.PublicRead)))
	m.create("theirs", []byte("content"))
	m.put("theirs", []byte("new content"))
	noError(t, m.other.ApplyACL(t.Context(), m.path("theirs"), canned(t, remote.PublicRead)))
	m.Forget("theirs")
	m.checkKind("theirs", File)
	m.server.ResetCounts()
	m.setAttrNow("a", setMode(0o100600))
	m.setAttrNow("d", setMode(0o40700))
	m.checkRequests("what is new here", counts{emulator.OpCopyObject: 1, emulator.OpPutObject: 1})
	for _, n := range []Name{"set", "mine", "theirs"} {
		m.setAttrNow(n, setMode(0o100600))
		m.checkACL(string(n), canned(t, remote.PublicRead))
	}
	made, _ := m.created.Peek("a")
	made.stored = made.stored.Add(-aclAge)
	m.created.Add("a", made)
	noError(t, m.other.ApplyACL(t.Context(), m.path("a"), canned(t, remote.PublicRead)))
	m.rename("a", "b")
	m.checkACL("b", canned(t, remote.PublicRead))
}

// TestAttributesThatNoObjectCanCarry are refused at once.
func TestAttributesThatNoObjectCanCarry(t *testing.T) {
	m := mount(t, Options{})
	m.put("a", []byte("content"))
	large := map[string][]byte{"user.a": make([]byte, 2*maxMeta)}
	err := m.SetAttr(t.Context(), "a", func(a *Attr) { a.Xattrs = large })
	if remote.CodeOf(err) != remote.MetadataTooLarge {
		t.Errorf("got %v, want MetadataTooLarge", err)
	}
	m.checkStageEmpty()
}

// TestRenameEndsWhatItTakesAlong: a crash must not set it once more.
func TestRenameEndsWhatItTakesAlong(t *testing.T) {
	m := mount(t, Options{})
	m.put("a", []byte("content"))
	s := m.edit("a")
	defer s.Release()
	m.setAttr("a", setMode(0o100600))
	m.rename("a", "b")
	if live := m.stage.journal.Live(); len(live) > 0 || s.Dirty() {
		t.Errorf("there is more to do: %+v", live)
	}
	m.checkMode("b", 0o100600)
}
