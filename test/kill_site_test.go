package test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ncloudfs/cache"
	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
	"ncloudfs/remote/emulator/emulatortest"
)

// site is one bucket and one stage directory, which see many daemons die.
type site struct {
	s       *store
	server  *emulatortest.Server
	stage   string
	options []string // of its mounts
}

func newSite(t testing.TB, options ...string) *site {
	t.Helper()
	k := &site{stage: root().dir(t)}
	k.options = append([]string{"--retry-time=3s", "--stage-dir=" + k.stage}, options...)
	if !slices.ContainsFunc(options, func(o string) bool { return strings.HasPrefix(o, "--late-time=") }) {
		k.options = append(k.options, "--late-time=1s")
	}
	k.s, k.server = startEmulator(t, emulator.Options{Record: true})
	return k
}

// forEachMode runs f with the options that make a mount upload before a close
// returns, and behind it.
func forEachMode(t *testing.T, f func(t *testing.T, options ...string)) {
	t.Helper()
	t.Run("sync", func(t *testing.T) { f(t) })
	t.Run("write-back", func(t *testing.T) { f(t, "--write-back") })
}

func (k *site) mount(t testing.TB) *mounted {
	t.Helper()
	return k.s.mount(t, root(), k.options...)
}

// armed is a mount that reaches what the environment says and then dies.
func (k *site) armed(t testing.TB, env ...string) *mounted {
	t.Helper()
	s := *k.s
	s.binary = buildArmed(t)
	s.env = append(env, s.env...)
	m := s.launch(t, root(), k.options...)
	m.mayFail = true
	return m
}

// bury kills a daemon, unless it is dead, and unmounts what it leaves.
func (k *site) bury(t testing.TB, m *mounted) {
	t.Helper()
	if !m.hasEnded() {
		m.kill(t)
	}
	if !isMounted(t, m.path) {
		return
	}
	if out, code := run(t, k.s.command(t, root(), "umount", m.path)); code != 0 {
		t.Errorf("umount of a dead mount: exit code %d: %s", code, out)
	}
}

// end lets a daemon end that perhaps dies before.
func (k *site) end(t testing.TB, m *mounted) {
	t.Helper()
	_ = m.process.Process.Signal(unix.SIGTERM) // may have died
	if !await(time.Minute, m.hasEnded) {
		t.Errorf("does not end after SIGTERM")
		m.dump()
	}
	k.bury(t, m)
}

// takeUp lets a daemon bring what others have left into the bucket.
func (k *site) takeUp(t testing.TB) {
	t.Helper()
	m := k.mount(t)
	if code := m.stop(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
}

// objects is what the bucket has below a prefix, modes included; names of
// conflict copies are cut off.
func (s *store) objects(t testing.TB, prefix string) map[string]fileState {
	t.Helper()
	all := map[string]fileState{}
	for _, key := range s.keys(t, prefix) {
		body, err := s.client.Get(contextOf(t), s.path(key), remote.GetOptions{})
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since it was listed
		}
		ok(t, err)
		text, err := io.ReadAll(body)
		ok(t, errors.Join(err, body.Close()))
		mode, _ := strconv.ParseUint(body.Object.Meta["mode"], 10, 32) // none is 0
		if name, _, isConflict := strings.Cut(key, conflicted+"-"); isConflict {
			key = name + conflicted
		}
		all[key] = fileState{string(text), uint32(mode)}
	}
	return all
}

// kept is what the stage directory still holds, by key. It is discarded, and
// then nothing may be left.
func (k *site) kept(t testing.TB) map[string][]fileState {
	t.Helper()
	c, err := cache.Open(t.Context(), cache.Options{Client: k.s.client, Bucket: k.s.bucket, StageDir: k.stage, Idle: true})
	ok(t, err)
	contents := map[string][]fileState{}
	for _, p := range c.Pending() {
		contents[p.Key] = append(contents[p.Key], fileState{content: leftOf(t, c, p)})
		ok(t, c.Discard(t.Context(), p.ID))
	}
	ok(t, c.Close())
	files, err := filepath.Glob(k.stage + "/*/data/*")
	ok(t, err)
	if len(files) > 0 {
		t.Errorf("left in the stage directory though nothing is pending: %q", files)
	}
	return contents
}

// leftOf is what is left of a pending change: the file, or where what it
// started from is gone, the local bytes in their places.
func leftOf(t testing.TB, c *cache.Cache, p cache.Pending) string {
	t.Helper()
	if p.State == cache.StateRemoved {
		return ""
	}
	var file bytes.Buffer
	err := c.Export(t.Context(), p.ID, &file)
	if err == nil {
		return file.String()
	}
	local, fileErr := os.ReadFile(p.File)
	if p.State != cache.StateConflict || fileErr != nil {
		t.Errorf("export of %+v: %v, %v", p, err, fileErr)
	}
	return string(local)
}

// checkKept compares what is kept with what may be, and what was written but
// not closed with both.
func (k *site) checkKept(t testing.TB, bucket map[string]fileState, ledgers ...*ledger) {
	t.Helper()
	kept := k.kept(t)
	for key, states := range kept {
		if !anyOf(ledgers, func(l *ledger) bool { return l.mayKeep(key) }) {
			t.Errorf("kept for good is %s = %s", key, states)
			for _, l := range ledgers {
				t.Log(l.history(key))
			}
		}
	}
	for _, l := range ledgers {
		for _, f := range l.files {
			if l.mustKeep(f) && !f.lastIsIn(slices.Concat(kept[f.keptAs()], kept[f.movingTo], []fileState{bucket[f.name]})) {
				t.Errorf("%s, which was not closed, is neither kept, %s, nor in the bucket, %s: written was %s at %d%s",
					f.name, kept[f.keptAs()], bucket[f.name], fileState{content: f.lastData}, f.lastAt, l.history(f.name))
			}
		}
	}
}

func anyOf(ledgers []*ledger, is func(*ledger) bool) bool {
	for _, l := range ledgers {
		if is(l) {
			return true
		}
	}
	return false
}

// checkUploads allows so many unfinished uploads that the journal never knew
// of: the daemon was killed before the answer to their beginning.
func (k *site) checkUploads(t testing.TB, mayBeUnknown int) {
	t.Helper()
	journals, err := filepath.Glob(k.stage + "/*/journal")
	ok(t, err)
	var known strings.Builder
	for _, path := range journals {
		text, err := os.ReadFile(path)
		ok(t, err)
		known.Write(text)
	}
	unknown := 0
	for u, err := range k.s.client.Uploads(contextOf(t), k.s.bucket, "") {
		ok(t, err)
		if strings.Contains(known.String(), u.ID) {
			t.Errorf("upload %s of %s was left, and the journal knows it", u.ID, u.Path)
		} else if unknown++; unknown > mayBeUnknown {
			t.Errorf("%d unfinished uploads were left", unknown)
		}
		ok(t, k.s.client.Resume(u.Path, u.ID, remote.PutOptions{}).Abort(contextOf(t)))
	}
}
