package test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"

	"ncloudfs/remote/emulator"
)

// TestPowerLoss cuts the power after NCLOUDFS_TEST_CUTS (100) random events of a
// random run, or with 0 after each, with NCLOUDFS_TEST_SEED or a random one.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	seed := uint64(numberOf(t, "NCLOUDFS_TEST_SEED", rand.Int64()))
	cuts := int(numberOf(t, "NCLOUDFS_TEST_CUTS", 100))
	t.Logf("NCLOUDFS_TEST_SEED=%d", seed)
	forEachMode(t, func(t *testing.T, options ...string) {
		t.Run("small files", func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			p := newPowerTest(t, options, 2)
			p.server.Faults().Add(emulator.Fault{Operation: opPut, Effect: emulator.Refuse, Code: "AccessDenied", Every: 2})
			p.run(t, func(w *powerWriter) {
				w.steps(rand.New(rand.NewPCG(seed, uint64(w.id)+1)), 30)
			})
			p.cut(t, r, cuts, func(diskEvent) bool { return true })
		})
		t.Run("in parts", func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			p := newPowerTest(t, options, 1)
			p.server.Faults().Add(emulator.Fault{Operation: emulator.OpCompleteMultipartUpload, Effect: emulator.Refuse, Code: "AccessDenied", Count: 1})
			p.run(t, func(w *powerWriter) {
				w.write("w0/large", w.tagged(multipartSize))
				h := w.open("w0/large", unix.O_WRONLY)
				h.pwrite(w.tagged(1000), 9<<20)
				h.fsync()
				h.close()
			})
			p.cut(t, r, cuts/10, func(e diskEvent) bool { return e.kind != eventWrite || len(e.data) < 64<<10 })
		})
	})
}

// run lets the writers work on a mount, all at once.
func (p *powerTest) run(t *testing.T, work func(w *powerWriter)) {
	t.Helper()
	m := p.s.mount(t, root(), append(p.options, "--retry-time=1s", "--late-time=1s", "--stage-dir="+p.disk.path)...)
	m.mayFail = true
	for _, w := range p.writers {
		w.noHoles = true
		w.start(t, m)
		w.mayFail = !w.writeBack
		p.working.Go(func() { work(w) })
	}
	p.working.Wait()
	p.server.Faults().Clear()
	if code := m.stop(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
}

// cut cuts the power after some of the events that are worth it, and recovers.
func (p *powerTest) cut(t *testing.T, r *rand.Rand, cuts int, isWorth func(diskEvent) bool) {
	t.Helper()
	events := p.disk.all()
	var places []int
	for i, e := range events {
		if i >= p.start && isWorth(e) {
			places = append(places, i)
		}
	}
	chance := 1.0
	if cuts > 0 {
		chance = float64(cuts) / float64(len(places))
	}
	t.Logf("%d events, %d to choose from", len(events), len(places))
	state, bucket := newDiskState(), p.server
	for i, e := range events {
		if e.kind == eventBucket {
			bucket = e.bucket
		}
		state.add(e)
		if len(places) == 0 || places[0] != i {
			continue
		}
		places = places[1:]
		if r.Float64() >= chance {
			continue
		}
		for o := nothingMore; o <= someOfIt; o++ {
			p.recover(t, state.after(o, r), bucket, fmt.Sprintf("event %d of %d, outcome %d", i+1, len(events), o), i+1)
		}
	}
}
