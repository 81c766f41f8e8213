package emulator_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"ncloudfs/remote/emulator"
)

func TestControlOverHTTP(t *testing.T) {
	s := withBucket(t, emulator.Options{Record: true})
	control := httptest.NewServer(s.Control())
	t.Cleanup(control.Close)
	ask := func(method, path string, in any, status int) string {
		t.Helper()
		b, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), method, control.URL+path, bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := control.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		out, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != status {
			t.Fatalf("%s %s: %d %s, error %v", method, path, resp.StatusCode, out, err)
		}
		return string(out)
	}
	ask("POST", "/reset", nil, 204)
	ask("POST", "/faults", emulator.Fault{Operation: emulator.OpPutObject, Effect: emulator.Refuse, Code: "SlowDown"}, 204)
	ask("POST", "/faults", map[string]string{"effect": "explode"}, 400)
	ask("POST", "/faults", map[string]string{"unknown": "field"}, 400)
	wantCode(t, s, call{method: "PUT", path: "/bucket/key"}, 503, "SlowDown")
	ask("DELETE", "/faults", nil, 204)
	put(t, s, "/bucket/key", "hello")
	if got, want := ask("GET", "/counts", nil, 200), `{"counts":{"PutObject":2},"traffic":{"in":5,"out":0}}`+"\n"; len(got) == 0 || !sameBut(got, want) {
		t.Errorf("got %s", got)
	}
	want := `[{"operation":"PutObject","bucket":"bucket","key":"key","status":503},{"operation":"PutObject","bucket":"bucket","key":"key","status":200}]` + "\n"
	if got := ask("GET", "/log", nil, 200); got != want {
		t.Errorf("got %s", got)
	}
	// The service itself has no such thing: here these are buckets.
	wantCode(t, s, call{method: "GET", path: "/counts", anonymous: true}, 404, "NoSuchBucket")
}

// sameBut compares counts; the bytes of error documents may change.
func sameBut(got, want string) bool {
	var a, b struct {
		Counts  map[string]int
		Traffic struct{ In int64 }
	}
	if json.Unmarshal([]byte(got), &a) != nil || json.Unmarshal([]byte(want), &b) != nil {
		return false
	}
	return a.Traffic == b.Traffic && len(a.Counts) == 1 && a.Counts["PutObject"] == b.Counts["PutObject"]
}
