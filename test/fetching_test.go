package test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

// TestFetchingAhead: small files read in order cost a request each, and whoever
// reads them does not wait for each.
func TestFetchingAhead(t *testing.T) {
	t.Parallel()
	const latency, files = 20 * time.Millisecond, 200
	s, _ := startEmulator(t, emulator.Options{Latency: latency})
	var g errgroup.Group
	g.SetLimit(16)
	var all strings.Builder
	for i := range files {
		text := fmt.Sprintf("file %d\n", i)
		all.WriteString(text)
		g.Go(func() error {
			_, err := s.client.Put(t.Context(), s.path(fmt.Sprintf("dir/%03d", i)), strings.NewReader(text), int64(len(text)), remote.PutOptions{})
			return err
		})
	}
	ok(t, g.Wait())
	for what, c := range map[string]struct {
		script string
		gets   int
	}{
		"all":         {"cat dir/*", files},
		"tar":         {"tar c -C dir . | tar xO", files},
		"grep":        {"grep -rh . dir", files},
		"one":         {"cat dir/000", 1},
		"every third": {"ls dir | awk 'NR % 3 == 1 {print \"dir/\" $1}' | xargs cat", (files + 2) / 3},
	} {
		m := s.mount(t, root())
		m.sh(t, "ls . dir >/dev/null")
		expect(t, s, what, counts{opGet: c.gets}, func() {
			began := time.Now()
			out := m.sh(t, c.script)
			if took := time.Since(began); c.gets == files {
				equal(t, what, out, all.String())
				t.Logf("%s: %v, %.1f times the latency", what, took, float64(took)/float64(latency))
			}
		})
	}
}
