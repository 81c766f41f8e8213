package emulator_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"ncloudfs/remote/emulator"
	"ncloudfs/remote/emulator/emulatortest"
)

func TestForkGoesItsOwnWay(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	large := strings.Repeat("x", 6<<20)
	put(t, s, "/bucket/same", "before")
	put(t, s, "/bucket/removed", large)
	id := begin(t, s, "/bucket/parts", nil)
	tag := uploadPart(t, s, "/bucket/parts", id, 1, large)
	fork, err := s.Fork()
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(fork)
	t.Cleanup(h.Close)
	other := &emulatortest.Server{Server: fork, HTTP: h, URL: h.URL}
	put(t, s, "/bucket/same", "after")
	must(t, s, call{method: "DELETE", path: "/bucket/removed"})
	must(t, s, call{method: "DELETE", path: "/bucket/parts?uploadId=" + id})
	if r := must(t, other, call{method: "GET", path: "/bucket/same"}); r.body != "before" {
		t.Errorf("the fork has %q", r.body)
	}
	must(t, other, completion("/bucket/parts", id, 1, tag))
	for _, key := range []string{"removed", "parts"} {
		if r := must(t, other, call{method: "GET", path: "/bucket/" + key}); r.body != large {
			t.Errorf("the fork has %d bytes of %s", len(r.body), key)
		}
	}
	if err := fork.Close(); err != nil {
		t.Fatal(err)
	}
	if r := must(t, s, call{method: "GET", path: "/bucket/same"}); r.body != "after" {
		t.Errorf("the first has %q", r.body)
	}
}
