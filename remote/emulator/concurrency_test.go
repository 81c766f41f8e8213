package emulator_test

import (
	"io"
	"strings"
	"sync"
	"testing"

	"ncloudfs/remote/emulator"
)

func TestReadSeesOneVersionWhileItIsReplaced(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		s := withBucket(t, emulator.Options{Dir: dir})
		body := func(c int) string { return strings.Repeat(string(rune('a'+c)), 100_000) }
		put(t, s, "/bucket/key", body(0))
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := range 25 {
				put(t, s, "/bucket/key", body(i%26))
			}
		})
		for range 4 {
			wg.Go(func() {
				for range 10 {
					r := do(t, s, call{method: "GET", path: "/bucket/key"})
					if r.status != 200 || strings.Count(r.body, r.body[:1]) != 100_000 || r.header.Get("ETag") != `"`+hexMD5(r.body)+`"` {
						t.Errorf("directory %q: %d, %d bytes of several versions", dir, r.status, len(r.body))
					}
				}
			})
		}
		wg.Wait()
	}
}

func TestReadGoesOnAfterTheObjectWasDeleted(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		s := withBucket(t, emulator.Options{Dir: dir})
		body := strings.Repeat("x", 100_000)
		put(t, s, "/bucket/key", body)
		remove := s.Faults().Add(emulator.Fault{Operation: emulator.OpGetObject, Effect: emulator.StallBody, Bytes: 10})
		resp, err := s.HTTP.Client().Do(call{method: "GET", path: "/bucket/key"}.request(t, s))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		must(t, s, call{method: "DELETE", path: "/bucket/key"})
		put(t, s, "/bucket/other", strings.Repeat("y", 100_000))
		remove()
		if got, err := io.ReadAll(resp.Body); err != nil || string(got) != body {
			t.Errorf("%d bytes, error %v", len(got), err)
		}
	}
}
