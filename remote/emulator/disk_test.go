package emulator_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ncloudfs/remote/emulator"
	"ncloudfs/remote/emulator/emulatortest"
)

// restart closes the server and starts another on the same directory.
func restart(t *testing.T, s *emulatortest.Server, dir string) *emulatortest.Server {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return emulatortest.Start(t, emulator.Options{Dir: dir})
}

// dataFiles counts the files that hold objects' bytes.
func dataFiles(t *testing.T, dir string) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "data", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

func TestDirectorySurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	s := withBucket(t, emulator.Options{Dir: dir})
	must(t, s, call{method: "PUT", path: "/bucket?cors", body: corsDocument})
	must(t, s, call{method: "PUT", path: "/bucket?acl", header: canned("public-read")})
	keys := []string{"plain", "%ED%95%9C%EA%B8%80", "..", "a//b", "%01%02", strings.Repeat("k", 1023)}
	for _, k := range keys {
		must(t, s, call{method: "PUT", path: "/bucket/" + k, body: "of " + k,
			header: map[string]string{"x-amz-meta-mode": "33188", "Content-Type": "text/x", "x-amz-acl": "public-read"}})
	}
	must(t, s, call{method: "PUT", path: "/bucket/copy", header: map[string]string{"x-amz-copy-source": "/bucket/plain"}})
	id := begin(t, s, "/bucket/parts", map[string]string{"x-amz-meta-a": "1"})
	big := strings.Repeat("0123456789abcdef", 5<<16)
	one := uploadPart(t, s, "/bucket/parts", id, 1, big)
	before := must(t, s, call{method: "GET", path: "/bucket?encoding-type=url"}).body
	acl := must(t, s, call{method: "GET", path: "/bucket?acl"}).body

	s = restart(t, s, dir)
	if got := must(t, s, call{method: "GET", path: "/bucket?encoding-type=url"}).body; got != before {
		t.Errorf("listing %s, want %s", got, before)
	}
	if got := must(t, s, call{method: "GET", path: "/bucket?acl"}).body; got != acl {
		t.Errorf("ACL %s, want %s", got, acl)
	}
	must(t, s, call{method: "GET", path: "/bucket?cors"})
	for _, k := range keys {
		r := must(t, s, call{method: "GET", path: "/bucket/" + k, anonymous: true})
		if r.body != "of "+k || r.header.Get("x-amz-meta-mode") != "33188" || r.header.Get("Content-Type") != "text/x" {
			t.Errorf("%s: %q %v", k, r.body, r.header)
		}
	}
	two := uploadPart(t, s, "/bucket/parts", id, 2, "tail")
	must(t, s, completion("/bucket/parts", id, 1, one, 2, two))

	s = restart(t, s, dir)
	r := must(t, s, call{method: "GET", path: "/bucket/parts"})
	if r.body != big+"tail" || r.header.Get("x-amz-meta-a") != "1" {
		t.Errorf("%d bytes, %v", len(r.body), r.header)
	}
	must(t, s, call{method: "DELETE", path: "/bucket/plain"})
	if r := must(t, s, call{method: "GET", path: "/bucket/copy"}); r.body != "of plain" {
		t.Errorf("the copy of a deleted object has %q", r.body)
	}
}

func TestDirectoryKeepsNoDataThatNothingRefersTo(t *testing.T) {
	dir := t.TempDir()
	s := withBucket(t, emulator.Options{Dir: dir})
	for range 3 {
		put(t, s, "/bucket/key", "x")
	}
	must(t, s, call{method: "PUT", path: "/bucket/copy", header: map[string]string{"x-amz-copy-source": "/bucket/key"}})
	id := begin(t, s, "/bucket/key", nil)
	uploadPart(t, s, "/bucket/key", id, 1, "x")
	uploadPart(t, s, "/bucket/key", id, 1, "y")
	if n := dataFiles(t, dir); n != 2 {
		t.Errorf("%d data files, want 2: an object with its copy, and a part", n)
	}
	must(t, s, call{method: "DELETE", path: "/bucket/key?uploadId=" + id})
	must(t, s, call{method: "DELETE", path: "/bucket/key"})
	must(t, s, call{method: "DELETE", path: "/bucket/copy"})
	must(t, s, call{method: "DELETE", path: "/bucket"})
	if n := dataFiles(t, dir); n != 0 {
		t.Errorf("%d data files, want none", n)
	}
}

func TestDirectoryIsForOneServer(t *testing.T) {
	dir := t.TempDir()
	emulatortest.Start(t, emulator.Options{Dir: dir})
	if s, err := emulator.New(emulator.Options{Dir: dir}); err == nil {
		_ = s.Close()
		t.Error("a second server opened it")
	}
}

// TestServeForTheKillTest is the server that TestKilledServerKeeps... kills.
func TestServeForTheKillTest(t *testing.T) {
	dir := os.Getenv("EMULATOR_KILL_TEST_DIR")
	if dir == "" {
		return // not the child process
	}
	s, err := emulator.New(emulator.Options{Dir: dir, Accounts: []emulator.Account{emulatortest.Alice()}})
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s)
	_, _ = os.Stdout.WriteString(h.URL + "\n")
	select {}
}

// serveInChild starts a server in a process of its own.
func serveInChild(t *testing.T, dir string) (url string, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestServeForTheKillTest$")
	cmd.Env = append(os.Environ(), "EMULATOR_KILL_TEST_DIR="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
	t.Cleanup(kill)
	line := make([]byte, 100)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(line[:n])), kill
}

func TestKilledServerKeepsTheOldObjectUntilThePutIsDone(t *testing.T) {
	dir := t.TempDir()
	url, kill := serveInChild(t, dir)
	client := &emulatortest.Server{URL: url, HTTP: httptest.NewUnstartedServer(nil)}
	t.Cleanup(client.HTTP.Close)
	client.HTTP.Start()
	must(t, client, call{method: "PUT", path: "/bucket", header: canned("public-read-write")})
	must(t, client, call{method: "PUT", path: "/bucket/key", body: "old", header: canned("public-read-write")})

	half, rest := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), "PUT", url+"/bucket/key", half)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = 2 << 20
	failed := make(chan error, 1)
	go func() {
		resp, err := client.HTTP.Client().Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		failed <- err
	}()
	if _, err := rest.Write(bytes.Repeat([]byte("n"), 1<<20)); err != nil {
		t.Fatal(err)
	}
	kill()
	_ = rest.CloseWithError(io.ErrClosedPipe)
	if err := <-failed; err == nil {
		t.Error("the killed server answered")
	}

	s := emulatortest.Start(t, emulator.Options{Dir: dir})
	if r := must(t, s, call{method: "GET", path: "/bucket/key"}); r.body != "old" {
		t.Errorf("got %d bytes %q", len(r.body), r.body[:min(len(r.body), 10)])
	}
	if n := dataFiles(t, dir); n != 1 {
		t.Errorf("%d data files, want 1", n)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "tmp")); err != nil || len(left) != 0 {
		t.Errorf("temporary files %v, error %v", left, err)
	}
}
