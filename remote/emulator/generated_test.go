package emulator_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"ncloudfs/remote/emulator"
)

func TestGeneratedObjectHasThePatternsBytes(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	control := httptest.NewServer(s.Control())
	t.Cleanup(control.Close)
	const size = 3<<20 + 1000
	body := strings.NewReader(fmt.Sprintf(`{"bucket":"bucket","key":"a/large","size":%d,"seed":7} {"bucket":"bucket","key":"small","size":10}`, size))
	resp, err := control.Client().Post(control.URL+"/objects", "application/json", body)
	if err != nil || resp.StatusCode != 204 {
		t.Fatalf("%v, %v", resp, err)
	}
	resp.Body.Close()
	want, err := io.ReadAll(emulator.NewPattern().Content(size, 7))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range [][2]int{{0, size}, {0, 1}, {1<<20 - 1, 1<<20 + 1}, {1<<20 + 5, 3 << 20}, {size - 3, size}} {
		got := do(t, s, call{method: "GET", path: "/bucket/a/large",
			header: map[string]string{"Range": fmt.Sprintf("bytes=%d-%d", r[0], r[1]-1)}})
		if got.status != 206 || got.body != string(want[r[0]:r[1]]) {
			t.Errorf("bytes %v: status %d, %d bytes that differ", r, got.status, len(got.body))
		}
	}
	if tag := do(t, s, call{method: "HEAD", path: "/bucket/a/large"}).header.Get("ETag"); !strings.HasSuffix(tag, `-2"`) {
		t.Errorf("ETag %s is not one of an upload in parts", tag)
	}
	wantCode(t, s, call{method: "GET", path: "/bucket/small", anonymous: true}, 403, "AccessDenied")
}

func TestGeneratedBytesDifferByPositionAndSeed(t *testing.T) {
	p := emulator.NewPattern()
	seen := map[string]string{}
	for seed := range uint64(4) {
		for mib := range int64(64) {
			b := make([]byte, 64)
			if _, err := p.Content(1<<40, seed).ReadAt(b, mib<<20); err != nil {
				t.Fatal(err)
			}
			here := fmt.Sprintf("seed %d, MiB %d", seed, mib)
			if there, ok := seen[string(b)]; ok {
				t.Errorf("%s is as %s", here, there)
			}
			seen[string(b)] = here
		}
	}
	all, err := io.ReadAll(p.Content(2<<20, 1))
	if err != nil || bytes.Equal(all[:1<<20], all[1<<20:]) {
		t.Errorf("the second MiB is as the first, error %v", err)
	}
}

func TestGenerateRefuses(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	for _, g := range []emulator.Generated{
		{Bucket: "absent", Key: "k"}, {Bucket: "bucket"}, {Bucket: "bucket", Key: "k", Size: -1},
	} {
		if err := s.Generate(g); err == nil {
			t.Errorf("%+v was made", g)
		}
	}
}
