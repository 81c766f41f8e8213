package test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

// killTest is one bucket and one stage directory, which see many daemons die.
type killTest struct {
	s       *store
	server  interface{ Faults() *emulator.Faults }
	stage   string
	seed    uint64
	writers []*killWriter
	kept    map[string]bool // data files that stay for good
}

// TestKilledAtRandomMoments kills the daemon NCLOUDFS_TEST_KILLS times (8), with
// NCLOUDFS_TEST_SEED or a random one, which replays the choices as far as the
// timing allows.
func TestKilledAtRandomMoments(t *testing.T) {
	t.Parallel()
	requireFUSE(t)
	k := &killTest{stage: root().dir(t), seed: uint64(numberOf(t, "NCLOUDFS_TEST_SEED", rand.Int64())), kept: map[string]bool{}}
	t.Logf("NCLOUDFS_TEST_SEED=%d", k.seed)
	k.s, k.server = startEmulator(t, emulator.Options{})
	for id := range 3 {
		k.s.put(t, fmt.Sprintf("w%d/", id), "")
		k.writers = append(k.writers, newKillWriter(id))
	}
	for n := range numberOf(t, "NCLOUDFS_TEST_KILLS", 8) {
		t.Run(strconv.FormatInt(n, 10), func(t *testing.T) {
			k.round(t, rand.New(rand.NewPCG(k.seed, uint64(n)<<8)))
		})
	}
}

func numberOf(t testing.TB, variable string, otherwise int64) int64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	ok(t, err)
	return n
}

// killFaults are what goes wrong in some of the rounds.
func killFaults() []emulator.Fault {
	return []emulator.Fault{
		{Operation: opPut, Effect: emulator.Refuse, Code: "AccessDenied"},
		{Operation: opPut, Effect: emulator.Refuse, Code: "AccessDenied", Every: 2},
		{Operation: emulator.OpUploadPart, Effect: emulator.Refuse, Code: "AccessDenied", Every: 3},
		{Operation: emulator.OpCompleteMultipartUpload, Effect: emulator.Refuse, Code: "AccessDenied"},
		{Effect: emulator.Delay, After: 20 * time.Millisecond},
		{Operation: opPut, Effect: emulator.Delay, After: 100 * time.Millisecond},
		{Operation: emulator.OpDeleteObject, Effect: emulator.Delay, After: 100 * time.Millisecond},
		{Operation: emulator.OpCopyObject, Effect: emulator.Delay, After: 100 * time.Millisecond},
		{Operation: emulator.OpCompleteMultipartUpload, Effect: emulator.Delay, After: 100 * time.Millisecond},
		{Effect: emulator.Lose, Every: 7},
	}
}

// round works, kills, mounts again and compares.
func (k *killTest) round(t *testing.T, r *rand.Rand) {
	m := k.mount(t)
	mayFail := false
	for _, f := range killFaults() {
		if r.IntN(5) == 0 {
			k.server.Faults().Add(f)
			mayFail = mayFail || f.Effect == emulator.Refuse
		}
	}
	k.work(t, m, r, mayFail)
	k.bury(t, m)
	k.server.Faults().Clear()
	if r.IntN(3) == 0 {
		m = k.mount(t)
		time.Sleep(time.Duration(r.IntN(100)) * time.Millisecond) // the moment is random
		k.bury(t, m)
	}
	m = k.mount(t)
	if code := m.stop(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	k.check(t, m)
}

func (k *killTest) mount(t *testing.T) *mounted {
	t.Helper()
	return k.s.mount(t, root(), "--retry-time=1s", "--stage-dir="+k.stage)
}

// work lets the writers work until the daemon is killed at a random moment.
func (k *killTest) work(t *testing.T, m *mounted, r *rand.Rand, mayFail bool) {
	var killed atomic.Bool
	var group sync.WaitGroup
	for _, w := range k.writers {
		w.t, w.p, w.killed, w.mayFail = t, m.start(t), &killed, mayFail
		w.r = rand.New(rand.NewPCG(r.Uint64(), uint64(w.id)))
		group.Go(w.run)
	}
	time.Sleep(time.Duration(r.ExpFloat64() * float64(300*time.Millisecond))) // the moment is random
	killed.Store(true)
	m.kill(t)
	group.Wait()
	for _, w := range k.writers {
		w.p.end()
	}
}

// bury kills a daemon, unless it is dead, and unmounts what it leaves.
func (k *killTest) bury(t *testing.T, m *mounted) {
	t.Helper()
	if !m.hasEnded() {
		m.kill(t)
	}
	if out, code := run(t, k.s.command(t, root(), "umount", m.path)); code != 0 {
		t.Errorf("umount of a dead mount: exit code %d: %s", code, out)
	}
}

// check compares the bucket and the stage directory after the last mount with
// what the writers know.
func (k *killTest) check(t *testing.T, last *mounted) {
	t.Helper()
	bucket := map[string]string{}
	for _, key := range k.s.keys(t, "") {
		if !strings.HasSuffix(key, "/") {
			bucket[key] = k.s.content(t, key)
		}
	}
	kept := k.checkKept(t, last)
	for _, w := range k.writers {
		w.check(t, bucket)
		for name, f := range w.files {
			if f.isUnclosed && f.lastData != "" && !holds(bucket[name], f) && !holds(kept[name], f) {
				t.Errorf("%s, which was not closed, is neither kept, %s, nor in the bucket, %s: written was %s at %d",
					name, brief(kept[name]), brief(bucket[name]), brief(f.lastData), f.lastAt)
			}
		}
		if t.Failed() {
			t.Logf("writer %d ended with\n%s", w.id, strings.Join(w.calls[max(0, len(w.calls)-30):], "\n"))
		}
		w.restart(bucket)
	}
	k.checkUploads(t)
}

// holds reports whether content has the last write of f.
func holds(content string, f *killedFile) bool {
	return int64(len(content)) >= f.lastAt && strings.HasPrefix(content[f.lastAt:], f.lastData)
}

// checkKept looks at what is new in the stage directory: only files that were
// not closed may be there, and the log names them. It returns their contents.
func (k *killTest) checkKept(t *testing.T, last *mounted) map[string]string {
	t.Helper()
	named := map[string]string{}
	pattern := regexp.MustCompile(`(?:path=data/|"upload \\")(w\d/\w).* kept=(\S+)`)
	for _, match := range pattern.FindAllStringSubmatch(last.log.String(), -1) {
		named[match[2]] = match[1]
	}
	paths, err := filepath.Glob(k.stage + "/*/data/*")
	ok(t, err)
	contents := map[string]string{}
	for _, path := range paths {
		if k.kept[path] {
			continue
		}
		k.kept[path] = true
		text, err := os.ReadFile(path)
		ok(t, err)
		name := named[path]
		contents[name] = string(text)
		if !k.mayKeep(name) {
			t.Errorf("left in the stage directory: %s, which the log says is %q: %s", path, name, brief(string(text)))
		}
	}
	return contents
}

func (k *killTest) mayKeep(name string) bool {
	for _, w := range k.writers {
		if w.mayKeep(name) {
			return true
		}
	}
	return false
}

// checkUploads allows an unfinished upload that the journal never knew of: the
// daemon was killed before the answer to its beginning.
func (k *killTest) checkUploads(t *testing.T) {
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
		} else if unknown++; unknown > len(k.writers) {
			t.Errorf("%d uploads were left in one round", unknown)
		}
		ok(t, k.s.client.Resume(u.Path, u.ID, remote.PutOptions{}).Abort(contextOf(t)))
	}
}
