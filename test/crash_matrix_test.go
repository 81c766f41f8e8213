package test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestCrashMatrix lets the daemon die at each step, in both modes, once while a
// program works and once more in the mount that takes up what that left. At
// which of the times that a step is reached is random, with NCLOUDFS_TEST_SEED
// or a random seed. NCLOUDFS_TEST_ROUNDS (1) is how often.
func TestCrashMatrix(t *testing.T) {
	t.Parallel()
	requireFUSE(t)
	seed := uint64(numberOf(t, "NCLOUDFS_TEST_SEED", rand.Int64()))
	t.Logf("NCLOUDFS_TEST_SEED=%d", seed)
	var known []string
	for _, step := range crashSteps() {
		known = append(known, step.name)
	}
	if source := sourceSteps(t); !slices.Equal(source, slices.Sorted(slices.Values(known))) {
		t.Errorf("the steps in the source are %q, those in the table %q", source, known)
	}
	reached := map[string]bool{}
	forEachMode(t, func(t *testing.T, options ...string) {
		counts := map[bool]stepCounts{false: countSteps(t, options, singleSize), true: countSteps(t, options, multipartSize)}
		for i, step := range crashSteps() {
			count := counts[step.inParts]
			if count.working[step.name]+count.takingUp[step.name] == 0 {
				continue
			}
			reached[step.name] = true
			for round := range numberOf(t, "NCLOUDFS_TEST_ROUNDS", 1) {
				t.Run(step.name, func(t *testing.T) {
					t.Parallel()
					c := &crash{step: step, r: rand.New(rand.NewPCG(seed, uint64(i)<<16+uint64(round)))}
					c.try(t, options, count)
				})
			}
		}
	})
	for _, step := range crashSteps() {
		if !reached[step.name] {
			t.Errorf("no workload reaches step %s", step.name)
		}
	}
}

// stepCounts is how often each step is reached while a program works and the
// mount is ended, and while a mount takes up what another has left.
type stepCounts struct{ working, takingUp map[string]int }

func countSteps(t *testing.T, options []string, large int) stepCounts {
	t.Helper()
	counts := make([]map[string]int, 2)
	for i, isKilled := range []bool{false, true} {
		file := root().dir(t) + "/steps"
		k := newSite(t, options...)
		w := newCrashWork(t, k, large)
		var m *mounted
		if isKilled {
			m = k.mount(t)
			w.work(t, m)
			k.bury(t, m)
			m = k.armed(t, "NCLOUDFS_STEPS_FILE="+file)
		} else {
			m = k.armed(t, "NCLOUDFS_STEPS_FILE="+file)
			w.work(t, m)
		}
		if code := m.stop(t); code != 0 {
			t.Errorf("exit code %d after SIGTERM, want 0", code)
		}
		w.check(t)
		text, err := os.ReadFile(file)
		ok(t, err)
		counts[i] = map[string]int{}
		for step := range strings.Lines(string(text)) {
			counts[i][strings.TrimSpace(step)]++
		}
	}
	return stepCounts{counts[0], counts[1]}
}

// crash is one try to die at a step.
type crash struct {
	step crashStep
	r    *rand.Rand
}

// at arms a mount.
func (c *crash) at(times int) string {
	return fmt.Sprintf("NCLOUDFS_STEP=%s:%d", c.step.name, 1+c.r.IntN(max(times, 1)))
}

func (c *crash) try(t *testing.T, options []string, count stepCounts) {
	k := newSite(t, options...)
	large := singleSize
	if c.step.inParts {
		large = multipartSize
	}
	w := newCrashWork(t, k, large)
	takingUp := count.takingUp[c.step.name]
	first, second := c.at(count.working[c.step.name]), c.at(takingUp)
	m := k.armed(t, first)
	w.work(t, m)
	if takingUp == 0 || c.r.IntN(2) == 0 {
		k.end(t, m) // which may reach it, too
	} else {
		k.bury(t, m)
	}
	k.server.Faults().Clear()
	m = k.armed(t, second)
	k.end(t, m)
	k.takeUp(t)
	w.check(t)
	if t.Failed() {
		t.Logf("died at %s and %s: %s\nthe program ended with\n%s", first, second, c.step.loses, strings.Join(w.calls, "\n"))
	}
}
