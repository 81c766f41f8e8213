package cache

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
	"ncloudfs/remote/emulator/emulatortest"
)

func canned(t testing.TB, name string) *remote.ACL {
	t.Helper()
	acl, err := remote.ParseACL(name)
	noError(t, err)
	return acl
}

// grants returns an ACL that no header carries.
func grants(t testing.TB) *remote.ACL {
	t.Helper()
	return canned(t, fmt.Sprintf(`[{"id":%q,"permission":"READ"}]`, emulatortest.Bob().ID))
}

// checkACL compares the ACL of key in the bucket, but for its owner's full control.
func (m *mounted) checkACL(key string, want *remote.ACL) {
	m.t.Helper()
	got, err := m.other.ACL(m.t.Context(), m.path(key))
	if err != nil {
		m.t.Errorf("ACL of %q: %v", key, err)
		return
	}
	others := &remote.ACL{Grants: slices.DeleteFunc(slices.Clone(got.Grants), func(g remote.Grant) bool { return g.Grantee.ID == got.Owner.ID })}
	for i := range others.Grants {
		others.Grants[i].Grantee.DisplayName = ""
	}
	if others.Text() != want.Text() || len(others.Grants) == len(got.Grants) {
		m.t.Errorf("ACL of %q is %s, want %s and the owner's control", key, got.Text(), want.Text())
	}
}

// share puts an object with an ACL and has the mount see it.
func (m *mounted) share(key string, acl *remote.ACL) {
	m.t.Helper()
	m.put(key, []byte("shared content"))
	noError(m.t, m.other.ApplyACL(m.t.Context(), m.path(key), acl))
	m.Forget(Name(key))
	m.checkKind(Name(key), File)
}

// everyACL runs test for an ACL that goes with a header and for one that does not,
// in both modes of writing.
func everyACL(t *testing.T, test func(m *mounted, acl *remote.ACL)) {
	for name, acl := range map[string]*remote.ACL{"canned": canned(t, remote.PublicRead), "grants": grants(t)} {
		for mode, open := range map[string]func(testing.TB, Options) *mounted{"sync": mount, "write-back": mountBehind} {
			t.Run(name+"/"+mode, func(t *testing.T) { test(open(t, Options{}), acl) })
		}
	}
}

func TestACLSurvivesEveryChange(t *testing.T) {
	everyACL(t, func(m *mounted, acl *remote.ACL) {
		t, ctx := m.t, m.t.Context()
		for _, change := range []struct {
			what string
			to   Name
			do   func()
		}{
			{"overwriting", "d/a", func() { m.save("d/a", []byte("new")) }},
			{"editing", "d/a", func() {
				s := m.edit("d/a")
				defer s.Release()
				m.write(s, []byte("!"), 3)
				noError(t, s.Save(ctx))
			}},
			{"twice through one handle", "d/a", func() {
				s := m.edit("d/a")
				defer s.Release()
				for range 2 {
					m.write(s, []byte("?"), 0)
					noError(t, s.Save(ctx))
				}
			}},
			{"in parts", "d/a", func() { m.save("d/a", make([]byte, singlePutLimit+1)) }},
			{"its mode", "d/a", func() { noError(t, m.SetAttr(ctx, "d/a", setMode(0o100600))) }},
			{"its time", "d/a", func() { noError(t, m.SetAttr(ctx, "d/a", func(a *Attr) { a.Mtime = time.Unix(5, 0) })) }},
			{"a rename", "d/b", func() { m.rename("d/a", "d/b") }},
			{"a rename of its directory", "e/b", func() { _, err := m.RenameDir(ctx, "d", "e"); noError(t, err) }},
			{"a rename over another file", "e/c", func() {
				m.put("e/c", []byte("private"))
				m.Forget("e/c")
				m.rename("e/b", "e/c")
			}},
		} {
			if change.what == "overwriting" {
				m.share("d/a", acl)
			}
			change.do()
			m.settleAll()
			m.checkACL(string(change.to), acl)
			if t.Failed() {
				t.Fatalf("after %s", change.what)
			}
		}
	})
}

// settleAll waits for what goes on behind.
func (m *mounted) settleAll() {
	m.t.Helper()
	noError(m.t, m.Sync(m.t.Context()))
}

func TestACLOfADirectorySurvives(t *testing.T) {
	everyACL(t, func(m *mounted, acl *remote.ACL) {
		m.put("d/", nil, remote.PutOptions{ContentType: markerType})
		m.checkKind("d", Dir)
		noError(m.t, m.SetACL(m.t.Context(), "d", acl))
		m.checkACL("d/", acl)
		noError(m.t, m.SetAttr(m.t.Context(), "d", setMode(0o40700)))
		m.settleAll()
		m.checkACL("d/", acl)
		_, err := m.RenameDir(m.t.Context(), "d", "e")
		noError(m.t, err)
		m.settleAll()
		m.checkACL("e/", acl)
	})
}

func TestSavedFileTakesOverTheACLOfWhatItReplaces(t *testing.T) {
	everyACL(t, func(m *mounted, acl *remote.ACL) {
		m.share("a", acl)
		m.save("tmp", []byte("new"))
		m.rename("tmp", "moved")
		m.rename("moved", "a")
		m.settleAll()
		m.checkObject("a", []byte("new"))
		m.checkACL("a", acl)

		m.save("tmp", []byte("newest"))
		noError(m.t, m.SetACL(m.t.Context(), "tmp", canned(m.t, remote.AuthenticatedRead)))
		m.rename("tmp", "a") // its own was set
		m.settleAll()
		m.checkACL("a", canned(m.t, remote.AuthenticatedRead))

		m.share("a", acl)
		m.put("old", []byte("private"))
		m.Forget("old")
		m.checkKind("old", File)
		m.rename("old", "a") // was not made here
		m.settleAll()
		m.checkACL("a", canned(m.t, remote.Private))
	})
}

func TestRevokedACLIsNotRestored(t *testing.T) {
	everyACL(t, func(m *mounted, acl *remote.ACL) {
		for name, change := range map[string]func(n Name){
			"rewrite": func(n Name) { m.save(n, []byte("new")) },
			"chmod":   func(n Name) { noError(m.t, m.SetAttr(m.t.Context(), n, setMode(0o100600))) },
			"rename":  func(n Name) { m.rename(n, n+"-") },
		} {
			n := Name(name)
			m.share(name, acl)
			m.save(n, []byte("seen"))
			m.settleAll()
			m.checkACL(name, acl)
			noError(m.t, m.other.SetCannedACL(m.t.Context(), m.path(name), remote.Private))
			change(n)
			m.settleAll()
			if name == "rename" {
				name += "-"
			}
			m.checkACL(name, canned(m.t, remote.Private))
		}
	})
}

// TestACLIsReadFromTheOpeningOn, so that a close does not wait for it.
func TestACLIsReadFromTheOpeningOn(t *testing.T) {
	m := mount(t, Options{})
	m.share("a", canned(t, remote.PublicRead))
	m.server.ResetCounts()
	s := m.edit("a")
	defer s.Release()
	m.until(emulator.OpGetObjectACL, 1)
	m.server.ResetCounts()
	m.write(s, []byte("new"), 0)
	m.commit(s)
	if n := m.server.Counts()[emulator.OpGetObjectACL]; n != 0 {
		t.Errorf("read %d times more", n)
	}
	m.checkACL("a", canned(t, remote.PublicRead))
}

// TestACLThatWasReadLongBeforeTheUploadIsReadAgain, also in the middle of a long
// upload in parts.
func TestACLThatWasReadLongBeforeTheUploadIsReadAgain(t *testing.T) {
	m := mount(t, Options{})
	revoke := func(s *Staged) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.aclRead.begun = s.aclRead.begun.Add(-2 * aclAge)
		noError(t, m.other.SetCannedACL(t.Context(), m.path(string(s.name)), remote.Private))
	}
	m.share("small", canned(t, remote.PublicRead))
	s := m.overwrite("small")
	m.write(s, []byte("new"), 0)
	revoke(s)
	m.commit(s)
	s.Release()
	m.checkACL("small", canned(t, remote.Private))

	m.share("large", canned(t, remote.PublicRead))
	s = m.overwrite("large")
	defer s.Release()
	m.write(s, make([]byte, singlePutLimit+1), 0)
	release := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpUploadPart, Count: 1, Effect: emulator.StallHeader})
	done := make(chan error, 1)
	m.server.ResetCounts()
	go func() { done <- s.Commit(t.Context()) }()
	m.until(emulator.OpUploadPart, 1)
	revoke(s)
	release()
	noError(t, <-done)
	m.checkACL("large", canned(t, remote.Private))
}

// TestACLThatWasRevokedDuringAnUploadStaysSo, though the upload began with it, and
// the answer that it is done was lost.
func TestACLThatWasRevokedDuringAnUploadStaysSo(t *testing.T) {
	m := mount(t, Options{})
	m.share("a", canned(t, remote.PublicRead))
	release := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpUploadPart, Count: 1, Effect: emulator.StallHeader})
	m.server.ResetCounts()
	s := m.overwrite("a")
	m.write(s, make([]byte, singlePutLimit+1), 0)
	done := make(chan error, 1)
	go func() { done <- s.Commit(t.Context()) }()
	m.until(emulator.OpUploadPart, 1)
	s.mu.Lock()
	s.aclRead.begun = s.aclRead.begun.Add(-2 * aclAge)
	s.mu.Unlock()
	noError(t, m.other.SetCannedACL(t.Context(), m.path("a"), remote.Private))
	heal := m.lose(emulator.OpCompleteMultipartUpload)
	m.server.Faults().Add(emulator.Fault{Operation: emulator.OpHeadObject, Effect: emulator.Refuse, Code: "AccessDenied"})
	release()
	if err := <-done; err == nil {
		t.Error("no error")
	}
	s.Release()
	m.checkACL("a", canned(t, remote.PublicRead)) // the upload is done
	heal()
	m.crash()
	noError(t, m.Sync(t.Context()))
	m.checkACL("a", canned(t, remote.Private))
}

// TestGrantsSurviveACrashBeforeTheyAreSetAgain: the upload that replaced the
// object is there, its ACL is not.
func TestGrantsSurviveACrashBeforeTheyAreSetAgain(t *testing.T) {
	for name, change := range map[string]func(m *mounted) error{
		"rewrite": func(m *mounted) error {
			s := m.overwrite("a")
			defer s.Release()
			m.write(s, []byte("new"), 0)
			return s.Commit(m.t.Context())
		},
		"chmod": func(m *mounted) error {
			m.setAttr("a", setMode(0o100600))
			return m.Sync(m.t.Context())
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := mount(t, Options{})
			m.share("a", grants(t))
			repair := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObjectACL, Effect: emulator.Refuse, Code: "InvalidRequest"})
			if err := change(m); err == nil {
				t.Error("no error")
			}
			m.checkACL("a", canned(t, remote.Private))
			repair()
			m.crash()
			m.until(emulator.OpPutObjectACL, 2)
			noError(t, m.Sync(t.Context()))
			m.checkACL("a", grants(t))
			m.checkStageEmpty()
		})
	}
}

// TestGrantsThatAreNotSetYetFollowARename: the object has the default ACL then.
func TestGrantsThatAreNotSetYetFollowARename(t *testing.T) {
	for name, move := range map[string]func(m *mounted) Name{
		"file": func(m *mounted) Name { m.rename("d/a", "b"); return "b" },
		"directory": func(m *mounted) Name {
			_, err := m.RenameDir(m.t.Context(), "d", "e")
			noError(m.t, err)
			return "e/a"
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := mount(t, Options{})
			m.share("d/a", grants(t))
			repair := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObjectACL, Effect: emulator.Refuse, Code: "InvalidRequest"})
			s := m.overwrite("d/a")
			m.write(s, []byte("new"), 0)
			if err := s.Commit(t.Context()); err == nil {
				t.Error("no error")
			}
			s.Release()
			repair()
			now := move(m)
			m.sync()
			m.checkObject(string(now), []byte("new"))
			m.checkACL(string(now), grants(t))
		})
	}
}

// TestSaveOverASaveWhoseGrantsAreNotSetYet, in write-back mode.
func TestSaveOverASaveWhoseGrantsAreNotSetYet(t *testing.T) {
	t.Parallel()
	m := mountBehind(t, Options{})
	m.share("a", grants(t))
	m.server.ResetCounts()
	repair := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObjectACL, Effect: emulator.StallHeader})
	for i, text := range []string{"first", "second"} {
		m.save("tmp", []byte(text))
		m.rename("tmp", "a")
		m.until(emulator.OpPutObjectACL, i+1)
	}
	repair()
	m.settleAll()
	m.checkObject("a", []byte("second"))
	m.checkACL("a", grants(t))
}

func TestRenameKeepsTheOldNameUntilTheNewOneHasItsACL(t *testing.T) {
	m := mount(t, Options{})
	m.share("a", grants(t))
	repair := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObjectACL, Effect: emulator.Refuse, Code: "InvalidRequest"})
	if _, err := m.Rename(t.Context(), "a", "b"); err == nil {
		t.Error("no error")
	}
	m.checkACL("a", grants(t))
	m.checkFile("a", []byte("shared content"))
	m.checkObject("b", nil) // no private copy is left behind
	repair()
	m.rename("a", "b")
	m.checkACL("b", grants(t))
	m.checkObject("a", nil)
}

// TestFileThatWasReplacedByARenameThatFailedGetsItsGrants, after a crash too: what
// was there is gone.
func TestFileThatWasReplacedByARenameThatFailedGetsItsGrants(t *testing.T) {
	m := mount(t, Options{})
	m.share("a", grants(t))
	m.put("b", []byte("to be replaced"))
	m.Forget("b")
	m.checkKind("b", File)
	repair := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObjectACL, Effect: emulator.Refuse, Code: "InvalidRequest"})
	if _, err := m.Rename(t.Context(), "a", "b"); err == nil {
		t.Error("no error")
	}
	m.checkObject("a", []byte("shared content"))
	m.checkFile("b", []byte("shared content"))
	m.checkACL("b", canned(t, remote.Private))
	if all := m.Pending(); len(all) != 1 || all[0].State != StateFailed {
		t.Errorf("pending: %v", all)
	}
	repair()
	m.crash()
	noError(t, m.Sync(t.Context()))
	m.checkACL("b", grants(t))
	m.checkObject("b", []byte("shared content"))
	m.checkStageEmpty()
}

func TestUnreadableACLIsTheDefaultAndCounted(t *testing.T) {
	for code, asked := range map[string]int{"AccessDenied": 2, "NotImplemented": 1} {
		m := mount(t, Options{})
		m.share("a", canned(t, remote.PublicRead))
		m.server.ResetCounts()
		m.server.Faults().Add(emulator.Fault{Operation: emulator.OpGetObjectACL, Effect: emulator.Refuse, Code: code})
		m.save("a", []byte("new"))
		m.save("a", []byte("newer"))
		if got := m.ACLsLost(); got != 2 {
			t.Errorf("%s: %d are counted", code, got)
		}
		m.checkRequests(code, counts{emulator.OpHeadObject: 1, emulator.OpGetObjectACL: asked, emulator.OpPutObject: 2})
	}
	m := mount(t, Options{})
	m.share("a", canned(t, remote.PublicRead))
	defer m.server.Faults().Add(emulator.Fault{Operation: emulator.OpGetObjectACL, Effect: emulator.Refuse, Code: "InvalidArgument"})()
	s := m.overwrite("a")
	defer s.Release()
	m.write(s, []byte("new"), 0)
	if err := s.Commit(t.Context()); err == nil { // it might be public to no purpose, or lost
		t.Error("stored though its ACL is not known")
	}
}

// TestGrantsThatMayNotBeSetAreLostAndCounted: the object is replaced by then. A
// rename leaves it as it is.
func TestGrantsThatMayNotBeSetAreLostAndCounted(t *testing.T) {
	for _, code := range []string{"AccessDenied", "NotImplemented"} {
		m := mount(t, Options{})
		m.share("a", grants(t))
		m.share("b", grants(t))
		m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObjectACL, Effect: emulator.Refuse, Code: code})
		m.save("a", []byte("new"))
		if _, err := m.Rename(t.Context(), "b", "c"); err == nil {
			t.Error("renamed without its grants")
		}
		if got := m.ACLsLost(); got != 1 {
			t.Errorf("%s: %d are counted", code, got)
		}
		m.checkObject("a", []byte("new"))
		m.checkACL("b", grants(t))
		m.checkStageEmpty()
	}
}

func TestOneACLForAllThatIsWritten(t *testing.T) {
	m := mount(t, Options{ACL: remote.AuthenticatedRead})
	m.share("a", canned(t, remote.PublicRead))
	m.server.ResetCounts()
	m.save("a", []byte("new"))
	m.checkRequests("a rewrite", counts{emulator.OpHeadObject: 1, emulator.OpPutObject: 1})
	m.rename("a", "b")
	noError(t, m.Mkdir(t.Context(), "d", Attr{}))
	noError(t, m.Store(t.Context(), "link", []byte("b"), Attr{}))
	m.save("large", make([]byte, singlePutLimit+1))
	for _, key := range []string{"b", "d/", "link", "large"} {
		m.checkACL(key, canned(t, remote.AuthenticatedRead))
	}
}
