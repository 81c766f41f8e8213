package cache

import (
	"testing"
	"time"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

// TestCopyOfARenameThatACrashCutShortGetsItsGrants, but nothing else does that has
// its name.
func TestCopyOfARenameThatACrashCutShortGetsItsGrants(t *testing.T) {
	private := canned(t, remote.Private)
	for name, c := range map[string]struct {
		arrives func(m *mounted, copied func()) // brings about what the next mount finds
		want    *remote.ACL
	}{
		"copied": {func(m *mounted, copied func()) {
			copied()
			m.crash()
		}, grants(t)},
		"refused at first": {func(m *mounted, copied func()) {
			copied()
			m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObjectACL, Effect: emulator.Refuse, Code: "InvalidRequest", Count: 1})
			m.crash()
			m.until(emulator.OpPutObjectACL, 2)
		}, grants(t)},
		"copied late": {func(m *mounted, copied func()) {
			m.crash()
			m.until(emulator.OpHeadObject, 1)
			copied()
		}, grants(t)},
		"written by another client": {func(m *mounted, _ func()) {
			m.put("b", []byte("other"))
			m.crash()
		}, private},
		"not copied": {func(m *mounted, _ func()) { m.crash() }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mount(t, Options{LateTime: time.Second})
			m.share("a", grants(t))
			old := m.head("a")
			noError(t, m.noteGrants("b", old, grants(t)))
			m.server.ResetCounts()
			c.arrives(m, func() {
				if _, err := m.other.Copy(t.Context(), m.path("b"), old.Path, remote.CopyOptions{}); err != nil {
					t.Error(err)
				}
			})
			if pending := m.Pending(); name == "not copied" && (len(pending) != 1 || pending[0].Key != "b" || pending[0].State != StateACLPending) {
				t.Errorf("pending: %+v", pending)
			}
			m.sync()
			if pending := m.Pending(); len(pending) > 0 {
				t.Errorf("pending: %+v", pending)
			}
			if c.want == nil {
				m.checkObject("b", nil)
				return
			}
			m.checkACL("b", c.want)
		})
	}
}

// TestGrantsThatAreOwedCanBeGivenUp, and be asked for, but not exported.
func TestGrantsThatAreOwedCanBeGivenUp(t *testing.T) {
	m := mount(t, Options{})
	m.share("a", grants(t))
	for _, key := range []string{"b", "c"} {
		noError(t, m.noteGrants(key, m.head("a"), grants(t)))
		if _, err := m.other.Copy(t.Context(), m.path(key), m.path("a"), remote.CopyOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Export(t.Context(), grantsID("b"), t.Output()); err == nil {
		t.Error("exported")
	}
	noError(t, m.Discard(t.Context(), grantsID("b")))
	noError(t, m.Retry(t.Context(), grantsID("c")))
	m.checkACL("b", canned(t, remote.Private))
	m.checkACL("c", grants(t))
	m.checkStageEmpty()
}
