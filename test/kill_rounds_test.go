package test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ncloudfs/remote/emulator"
)

// killTest is a site with programs that see many daemons die.
type killTest struct {
	*site
	writers []*killWriter
}

// TestKilledAtRandomMoments kills the daemon NCLOUDFS_TEST_KILLS times (5) in
// each mode, with NCLOUDFS_TEST_SEED or a random one, which replays the choices
// as far as the timing allows.
func TestKilledAtRandomMoments(t *testing.T) {
	t.Parallel()
	requireFUSE(t)
	seed := uint64(numberOf(t, "NCLOUDFS_TEST_SEED", rand.Int64()))
	t.Logf("NCLOUDFS_TEST_SEED=%d", seed)
	forEachMode(t, func(t *testing.T, options ...string) {
		k := &killTest{site: newSite(t, options...)}
		for id := range 3 {
			k.s.put(t, fmt.Sprintf("w%d/", id), "")
			k.writers = append(k.writers, newKillWriter(id, len(options) > 0))
		}
		for n := range numberOf(t, "NCLOUDFS_TEST_KILLS", 5) {
			t.Run(strconv.FormatInt(n, 10), func(t *testing.T) {
				k.round(t, rand.New(rand.NewPCG(seed, uint64(n)<<8)))
			})
		}
	})
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
	k.takeUp(t)
	k.check(t)
}

// work lets the writers work until the daemon is killed at a random moment.
func (k *killTest) work(t *testing.T, m *mounted, r *rand.Rand, mayFail bool) {
	var killed atomic.Bool
	var group sync.WaitGroup
	for _, w := range k.writers {
		w.start(t, m)
		w.isKilled, w.mayFail = killed.Load, mayFail
		r := rand.New(rand.NewPCG(r.Uint64(), uint64(w.id)))
		group.Go(func() { w.run(r) })
	}
	time.Sleep(time.Duration(r.ExpFloat64() * float64(300*time.Millisecond))) // the moment is random
	killed.Store(true)
	m.kill(t)
	group.Wait()
	for _, w := range k.writers {
		w.p.end()
	}
}

// check compares the bucket and the stage directory after the last mount with
// what the writers know.
func (k *killTest) check(t *testing.T) {
	t.Helper()
	all := map[string]fileState{}
	var ledgers []*ledger
	for _, w := range k.writers {
		bucket := k.s.objects(t, fmt.Sprintf("w%d/", w.id))
		w.check(t, bucket)
		maps.Copy(all, bucket)
		ledgers = append(ledgers, &w.ledger)
	}
	k.checkKept(t, all, ledgers...)
	k.checkUploads(t, len(k.writers))
	for _, w := range k.writers {
		w.restart(k.s.objects(t, fmt.Sprintf("w%d/", w.id)))
	}
}
