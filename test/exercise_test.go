package test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"ncloudfs/remote/emulator"
)

// TestExerciser does NCLOUDFS_TEST_OPS random calls (2000 on a small file, 600 on
// a large one) for each way of going wrong, with NCLOUDFS_TEST_SEED or a random
// one.
func TestExerciser(t *testing.T) {
	t.Parallel()
	requireFUSE(t)
	seed := numberOf(t, "NCLOUDFS_TEST_SEED", rand.Int64())
	t.Logf("NCLOUDFS_TEST_SEED=%d", seed)
	for size, e := range map[string]exercise{
		"small": {Limit: 1 << 20, Calls: 2000},
		"large": {Limit: 21 << 20, Start: 20 << 20, Keep: 19 << 20, Calls: 600},
	} {
		e.Path, e.Seed = "file", uint64(seed)
		e.Calls = int(numberOf(t, "NCLOUDFS_TEST_OPS", int64(e.Calls)))
		for weather, faults := range map[string][]emulator.Fault{
			"calm":         nil,
			"busy":         busyFaults(),
			"lost answers": {{Effect: emulator.Lose, Every: 33}},
		} {
			t.Run(size+", "+weather, func(t *testing.T) {
				t.Parallel()
				s, server := startEmulator(t, emulator.Options{})
				s.put(t, e.Path, random(e.Start))
				for _, f := range faults {
					server.Faults().Add(f)
				}
				s.exercise(t, e)
			})
		}
	}
}

// busyFaults are those of a busy service: each tenth request is refused, each
// twentieth connection cut in the middle of a body.
func busyFaults() []emulator.Fault {
	return []emulator.Fault{
		{Effect: emulator.Refuse, Code: "SlowDown", Every: 10},
		{Effect: emulator.CutHalf, Every: 20, Skip: 5},
	}
}

// exercise mounts s and exercises a file of it, closed once in 100 to 200
// calls; what the bucket has is looked at now and then.
func (s *store) exercise(t *testing.T, e exercise) {
	t.Helper()
	m := s.mount(t, root())
	p := m.start(t)
	name := e.Path
	e.Path = p.path(name)
	r := rand.New(rand.NewPCG(e.Seed, 1))
	for left := e.Calls; left > 0; {
		req := request{Op: "exercise", Exercise: e, Size: min(left, 100+r.IntN(100))}
		if left -= req.Size; left == 0 || r.IntN(10) == 0 {
			req.Flags = 1
		}
		resp, err := p.call(req)
		ok(t, err)
		if resp.Text != "" {
			t.Fatal(resp.Text)
		}
		if req.Flags != 0 {
			equal(t, fmt.Sprintf("the object %d calls before the end", left), s.content(t, name), string(resp.Data))
		}
	}
}
