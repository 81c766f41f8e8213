package cache

import (
	"errors"
	"io/fs"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"ncloudfs/remote/emulator"
)

// pending makes a file whose bytes wait for the bucket to take them, and
// returns what ends the wait.
func (m *mounted) pending(n Name, content string) (heal func()) {
	m.t.Helper()
	heal = m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Effect: emulator.Refuse, Code: "AccessDenied"})
	s := m.overwrite(n)
	m.write(s, []byte(content), 0)
	if err := s.Commit(m.t.Context()); err == nil {
		m.t.Error("committed")
	}
	s.Release()
	return heal
}

func TestAttributesOfAFileThatWaitsForItsUploadGoWithIt(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"new", "existing"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mount(t, Options{})
			if name == "existing" {
				m.put("a", []byte("base"))
			}
			heal := m.pending("a", "content")
			err := m.SetAttr(t.Context(), "a", setMode(0o100600)) // may say that the upload fails
			if errors.Is(err, fs.ErrNotExist) {
				t.Errorf("set the mode: %v", err)
			}
			if e := m.stat("a"); e.Attr.Mode != 0o100600 {
				t.Errorf("mode %o is shown", e.Attr.Mode)
			}
			heal()
			m.checkStageEmpty()
			m.checkObject("a", []byte("content"))
			if got := m.head("a").Meta["mode"]; got != "33152" {
				t.Errorf("the object has mode %s", got)
			}
		})
	}
}

func TestOneLoopTriesAnUploadAgain(t *testing.T) {
	m := mount(t, Options{})
	heal := m.pending("a", "content")
	for range 20 {
		m.edit("a").Release()
	}
	stacks := make([]byte, 4<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	if got := strings.Count(string(stacks), "(*Cache).commitBehind("); got > 1 {
		t.Errorf("%d loops try it", got)
	}
	heal()
	m.checkStageEmpty()
	m.checkObject("a", []byte("content"))
}

// TestDirectoryOfANewFileIsShown: the directory has no marker, and its last
// object is gone.
func TestDirectoryOfANewFileIsShown(t *testing.T) {
	t.Parallel()
	m := mount(t, Options{MetadataTTL: 20 * time.Millisecond})
	m.put("d/a", nil)
	m.checkKind("d/a", File)
	m.remove("d/a")
	s := m.overwrite("d/sub/new")
	defer s.Release()
	m.put("other", nil)
	eventually(t, "the next listing", func() bool { return m.stat("other").Kind == File })
	time.Sleep(40 * time.Millisecond) // what was believed of d has ended, too
	m.checkKind("d", Dir)
	m.checkKind("d/sub", Dir)
	for dir, want := range map[Name]int{"": 2, "d": 1, "d/sub": 1} {
		if all, err := m.ReadDir(t.Context(), dir); err != nil || len(all) != want {
			t.Errorf("%q holds %d names, %v; want %d", dir, len(all), err, want)
		}
	}
}

// TestReadGoesOnWhileItsCommitLands: the bucket has taken the new version and
// its answer is on the way.
func TestReadGoesOnWhileItsCommitLands(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int64{"small": 3 << 20, "large": 17 << 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mount(t, Options{Memory: 8 << 20})
			want := random("base", size)
			before := m.put("a", want)
			s := m.edit("a")
			defer s.Release()
			copy(want, "mine")
			m.write(s, want[:4], 0)
			for _, op := range []string{emulator.OpPutObject, emulator.OpCompleteMultipartUpload} {
				m.server.Faults().Add(emulator.Fault{Operation: op, Effect: emulator.Delay, After: 300 * time.Millisecond})
			}
			var group sync.WaitGroup
			group.Go(func() { m.commitIn(s) })
			eventually(t, "the bucket has the new version", func() bool { return m.head("a").ETag != before.ETag })
			m.blocks.Forget(m.path("a"))
			m.checkStaged(s, want)
			group.Wait()
			m.checkStaged(s, want)
		})
	}
}
