package remote_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
	"ncloudfs/remote/emulator/emulatortest"
)

// The conformance suite: the files conformance_*_test.go. Every test runs
// over the emulator by HTTP and by HTTPS, and over Ceph at NCLOUDFS_TEST_CEPH
// (see scripts/ceph). Where the two differ, NAVER's documentation decides what
// the emulator does, and the test says how Ceph differs.

// service is a server under test with two accounts, alice and bob.
type service struct {
	name      string
	ceph      bool
	endpoint  string
	transport http.RoundTripper
	emulator  *emulatortest.Server // nil: Ceph
}

// onEveryService runs f over each service.
func onEveryService(t *testing.T, f func(t *testing.T, s *service)) {
	t.Parallel()
	onEmulator(t, f)
	t.Run("ceph", func(t *testing.T) {
		t.Parallel()
		f(t, &service{name: "ceph", ceph: true, endpoint: cephEndpoint(t), transport: newTransport(t)})
	})
}

// onEmulator runs f over the emulator by HTTP and by HTTPS.
func onEmulator(t *testing.T, f func(t *testing.T, s *service)) {
	t.Run("emulator", func(t *testing.T) {
		t.Parallel()
		e := emulatortest.Start(t, emulator.Options{})
		f(t, &service{name: "emulator", endpoint: e.URL, transport: newTransport(t), emulator: e})
	})
	t.Run("emulator-tls", func(t *testing.T) {
		t.Parallel()
		f(t, tlsService(t, emulator.Options{}))
	})
}

// cephEndpoint is the Ceph to test against; without one the test is skipped,
// or fails when TEST_REQUIRE names ceph.
func cephEndpoint(t *testing.T) string {
	t.Helper()
	endpoint := os.Getenv("NCLOUDFS_TEST_CEPH")
	if endpoint == "" {
		if slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), "ceph") {
			t.Fatal("TEST_REQUIRE wants ceph, but NCLOUDFS_TEST_CEPH names none: use scripts/ceph run -- go test ...")
		}
		t.Skip("no Ceph: NCLOUDFS_TEST_CEPH is not set (scripts/ceph run -- go test ...)")
	}
	return endpoint
}

func newTransport(t *testing.T) *http.Transport {
	t.Helper()
	transport, err := remote.NewTransport(remote.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// tlsService is an emulator behind a certificate of its own.
func tlsService(t *testing.T, o emulator.Options) *service {
	t.Helper()
	e := emulatortest.StartTLS(t, o)
	transport := newTransport(t)
	transport.TLSClientConfig.RootCAs = e.HTTP.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	return &service{name: "emulator-tls", endpoint: e.URL, transport: transport, emulator: e}
}

func aliceKeys() remote.Credentials {
	return remote.Credentials{AccessKey: "AKALICE", SecretKey: "SKALICE", Source: "test"}
}

func bobKeys() remote.Credentials {
	return remote.Credentials{AccessKey: "AKBOB", SecretKey: "SKBOB", Source: "test"}
}

// client is a client with these keys; edit may change its options.
func (s *service) client(t *testing.T, keys remote.Credentials, edit ...func(*remote.Options)) *remote.Client {
	t.Helper()
	o := remote.Options{Endpoint: s.endpoint, Credentials: keys, Transport: s.transport, RetryTime: 20 * time.Second}
	for _, e := range edit {
		e(&o)
	}
	c, err := remote.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (s *service) alice(t *testing.T) *remote.Client { return s.client(t, aliceKeys()) }
func (s *service) bob(t *testing.T) *remote.Client   { return s.client(t, bobKeys()) }
func (s *service) anonymous(t *testing.T) *remote.Client {
	return s.client(t, remote.Credentials{Anonymous: true})
}

// bucket makes a bucket of alice's, which goes with the test.
func (s *service) bucket(t *testing.T) string {
	t.Helper()
	name := s.newName()
	c := s.alice(t)
	if err := c.MakeBucket(t.Context(), name, ""); err != nil {
		t.Fatal(err)
	}
	if s.ceph { // the emulator goes with the test
		t.Cleanup(func() { s.remove(t, c, name) })
	}
	return name
}

func (s *service) remove(t *testing.T, c *remote.Client, bucket string) {
	t.Helper()
	ctx := context.Background() // in Cleanup the test's own context is over
	var uploads []*remote.Upload
	for u, err := range c.Uploads(ctx, bucket, "") {
		if err != nil {
			t.Errorf("cleaning up: %v", err)
			break
		}
		uploads = append(uploads, c.Resume(u.Path, u.ID, remote.PutOptions{}))
	}
	eachAtOnce(uploads, func(u *remote.Upload) {
		if err := u.Abort(ctx); err != nil {
			t.Errorf("cleaning up: %v", err)
		}
	})
	for page, err := range c.List(ctx, remote.ListOptions{Bucket: bucket}) {
		if err != nil {
			t.Errorf("cleaning up: %v", err)
			return
		}
		var keys []string
		for _, o := range page.Objects {
			keys = append(keys, o.Path.Key)
		}
		if failed, err := c.DeleteMany(ctx, bucket, keys); err != nil || len(failed) > 0 {
			t.Errorf("cleaning up: %v %v", failed, err)
		}
	}
	if err := c.RemoveBucket(ctx, bucket); err != nil {
		t.Errorf("cleaning up: %v", err)
	}
}

// put stores content and fails the test when it cannot.
func put(t *testing.T, c *remote.Client, p remote.Path, content string, o remote.PutOptions) remote.Object {
	t.Helper()
	obj, err := c.Put(t.Context(), p, strings.NewReader(content), int64(len(content)), o)
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

// get returns the whole content of an object.
func get(t *testing.T, c *remote.Client, p remote.Path) string {
	t.Helper()
	return getRange(t, c, p, remote.GetOptions{})
}

func getRange(t *testing.T, c *remote.Client, p remote.Path, o remote.GetOptions) string {
	t.Helper()
	body, err := c.Get(t.Context(), p, o)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	if err := body.Close(); err != nil {
		t.Fatal(err)
	}
	if int64(len(content)) != body.Length {
		t.Errorf("%v %+v: got %d bytes, Length says %d", p, o, len(content), body.Length)
	}
	return string(content)
}

// random is size bytes that do not compress, the same for the same seed.
func random(seed uint64, size int) []byte {
	b := make([]byte, size)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = r.Read(b)
	return b
}

func md5Of(b []byte) remote.ETag {
	sum := md5.Sum(b)
	return remote.ETag(hex.EncodeToString(sum[:]))
}

// wantCode fails unless err has the code and is the sentinel (nil: none).
func wantCode(t *testing.T, what string, err error, code remote.Code, sentinel error) {
	t.Helper()
	if got := remote.CodeOf(err); got != code {
		t.Errorf("%s: got code %q (%v), want %q", what, got, err, code)
	}
	if sentinel != nil && !errors.Is(err, sentinel) {
		t.Errorf("%s: %v is not %v", what, err, sentinel)
	}
}

func keysOf(page *remote.Page) []string {
	var keys []string
	for _, o := range page.Objects {
		keys = append(keys, o.Path.Key)
	}
	return keys
}

// listAll returns all keys and prefixes of a listing, and its pages.
func listAll(t *testing.T, c *remote.Client, o remote.ListOptions) (keys, prefixes []string, pages int) {
	t.Helper()
	for page, err := range c.List(t.Context(), o) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, keysOf(page)...)
		prefixes = append(prefixes, page.Prefixes...)
		pages++
	}
	return keys, prefixes, pages
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func equalSlices[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %#v, want %#v", what, got, want)
	}
}

func reader(b []byte) (*bytes.Reader, int64) { return bytes.NewReader(b), int64(len(b)) }
