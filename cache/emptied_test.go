package cache

import (
	"context"
	"testing"
	"time"

	"ncloudfs/remote/emulator"
)

// TestDirectoryOutlivesItsLastFile, unless it is removed, or filled again, right
// after, or it has a marker.
func TestDirectoryOutlivesItsLastFile(t *testing.T) {
	for name, c := range map[string]struct {
		empty func(m *mounted)
		want  bool // there is a marker in the end
		puts  int
	}{
		"unlink":     {func(m *mounted) { m.remove("d/a") }, true, 1},
		"moved away": {func(m *mounted) { m.rename("d/a", "a") }, true, 1},
		"directory moved away": {func(m *mounted) {
			m.put("d/sub/b", nil)
			m.remove("d/a")
			m.Forget("d/sub")
			m.checkNames("d", "sub")
			if _, err := m.RenameDir(m.t.Context(), "d/sub", "sub"); err != nil {
				m.t.Error(err)
			}
		}, true, 1},
		"rmdir": {func(m *mounted) {
			m.remove("d/a")
			noError(m.t, m.Rmdir(m.t.Context(), "d"))
		}, false, 0},
		"filled again": {func(m *mounted) {
			m.remove("d/a")
			m.create("d/b", []byte("x"))
		}, false, 1},
		"filled by another client": {func(m *mounted) {
			m.put("d/theirs", nil)
			m.remove("d/a")
		}, false, 0},
		"not the last": {func(m *mounted) {
			m.put("d/b", nil)
			m.Forget("d/a")
			m.checkNames("d", "a b")
			m.remove("d/a")
		}, false, 0},
		"has a marker": {func(m *mounted) {
			m.put("d/", nil)
			m.Forget("d/a")
			m.checkNames("d", "a")
			m.remove("d/a")
		}, true, 0},
	} {
		for mode, open := range map[string]func(testing.TB, Options) *mounted{"sync": mount, "write-back": mountBehind} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				m := open(t, Options{})
				m.put("d/a", []byte("x"))
				m.checkNames("d", "a")
				c.empty(m)
				m.server.ResetCounts()
				if mode == "sync" && c.puts > 0 && c.want {
					eventually(t, "it has a marker", func() bool { return m.get("d/") != nil })
				}
				noError(t, m.Drain(context.Background()))
				if got := m.get("d/") != nil; got != c.want {
					t.Errorf("there is a marker: %v, want %v", got, c.want)
				}
				if puts := m.server.Counts()[emulator.OpPutObject]; c.want && puts != c.puts {
					t.Errorf("%d PUTs, want %d", puts, c.puts)
				}
			})
		}
	}
}

// TestEmptiedDirectoryIsLookedAtOnce, however often it loses its last name.
func TestEmptiedDirectoryIsLookedAtOnce(t *testing.T) {
	m := mount(t, Options{})
	m.put("d/a", []byte("x"))
	m.checkNames("d", "a")
	m.remove("d/a")
	for range 3 {
		m.create("d/b", []byte("x"))
		m.remove("d/b")
	}
	m.server.ResetCounts()
	eventually(t, "it has a marker", func() bool { return m.server.Counts()[emulator.OpPutObject] > 0 })
	time.Sleep(emptiedTime / 10)
	m.checkRequests("one directory", map[string]int{emulator.OpListObjects: 1, emulator.OpPutObject: 1})
}
