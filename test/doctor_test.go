package test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"ncloudfs/remote/doctor"
)

// recorder is a proxy before a server that keeps the headers of requests.
type recorder struct {
	*httptest.Server
	mu      sync.Mutex // guards headers
	headers []http.Header
}

func startRecorder(t testing.TB, endpoint string, wrap func(http.Handler) http.Handler) *recorder {
	t.Helper()
	to, err := url.Parse(endpoint)
	ok(t, err)
	r := &recorder{}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(to)
		p.Out.Host = p.In.Host // is signed
		r.mu.Lock()
		defer r.mu.Unlock()
		h := p.In.Header.Clone()
		h.Set("Method", p.In.Method)
		r.headers = append(r.headers, h)
	}}
	r.Server = httptest.NewServer(wrap(proxy))
	t.Cleanup(r.Close)
	return r
}

// count is how many requests of a method had this header, since reset.
func (r *recorder) count(method, header string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(r.headers), func(h http.Header) bool {
		return h.Get("Method") != method || header != "" && h.Get(header) == ""
	}))
}

func (r *recorder) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.headers = nil
}

// ifMatch lets a server honour If-Match of a PUT, as some others do.
func (s *store) ifMatch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if want := r.Header.Get("If-Match"); r.Method == http.MethodPut && want != "" {
			_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
			if now, err := s.client.Head(r.Context(), s.path(key)); err != nil || string(now.ETag) != strings.Trim(want, `"`) {
				w.WriteHeader(http.StatusPreconditionFailed)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// copyIfMatch has a service that ignores x-amz-copy-source-if-match honour it.
func (s *store) copyIfMatch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if want := r.Header.Get("X-Amz-Copy-Source-If-Match"); want != "" {
			_, key, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("X-Amz-Copy-Source"), "/"), "/")
			if now, err := s.client.Head(r.Context(), s.path(key)); err != nil || string(now.ETag) != strings.Trim(want, `"`) {
				w.WriteHeader(http.StatusPreconditionFailed)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// TestFindingsOfTheDoctorAreUsed: where an endpoint honours If-Match (the
// emulator, with a little help) an edit asks for nothing before; where it copies
// parts of one version (Ceph, with a little help) it does not send what is
// unchanged.
func TestFindingsOfTheDoctorAreUsed(t *testing.T) {
	requireUser(t)
	forEachServer(t, func(t *testing.T, s *store) {
		direct := *s
		conditional, copies := s.emulator != nil, s.emulator == nil
		proxy := startRecorder(t, s.endpoint, func(next http.Handler) http.Handler {
			if conditional {
				return direct.ifMatch(next)
			}
			return direct.copyIfMatch(next)
		})
		s.endpoint = proxy.URL
		s.env = append(s.env, "XDG_STATE_HOME="+nobody().dir(t))
		out, code := run(t, s.command(t, nobody(), "doctor", s.bucket, "--json"))
		var doc struct{ Checks []doctor.Finding }
		if err := json.Unmarshal([]byte(out), &doc); err != nil || code != 0 {
			t.Fatalf("doctor: exit code %d, %v: %s", code, err, out)
		}
		for _, f := range doc.Checks {
			if want, is := map[string]bool{"conditional put": conditional, "copy parts": copies}[f.Name]; is && (f.Status == doctor.OK) != want {
				t.Errorf("got %+v", f)
			}
		}
		if left := direct.keys(t, ""); len(left) > 0 {
			t.Errorf("the doctor leaves %q", left)
		}

		large := random(24 << 20)
		direct.put(t, "small", "content")
		direct.put(t, "large", large)
		m := s.mount(t, nobody())
		sh := func(script string) (string, int) {
			return run(t, asOwner(nobody(), "bash", "-c", script, "bash", m.path))
		}
		proxy.reset()
		if out, code := sh(`printf more >> "$1/small"`); code != 0 {
			t.Error(out)
		}
		equal(t, "small", direct.content(t, "small"), "contentmore")
		// One HEAD tells open the metadata.
		if got, heads := proxy.count("PUT", "If-Match"), proxy.count("HEAD", ""); conditional && (got != 1 || heads != 1) || !conditional && (got != 0 || heads != 2) {
			t.Errorf("%d PUTs with If-Match, %d HEADs", got, heads)
		}
		proxy.reset()
		if out, code := sh(`printf more >> "$1/large"`); code != 0 {
			t.Error(out)
		}
		equal(t, "large", direct.content(t, "large"), large+"more")
		if got := proxy.count("PUT", "X-Amz-Copy-Source-Range"); copies && got != 3 || !copies && got != 0 {
			t.Errorf("%d parts copied", got)
		}

		editor := asOwner(nobody(), "bash", "-c", `dd of="$1/small" oflag=append conv=notrunc bs=1 status=none`, "bash", m.path)
		in, err := editor.StdinPipe()
		ok(t, err)
		ok(t, editor.Start())
		_, err = io.WriteString(in, "ours")
		ok(t, err)
		eventually(t, "it is written", func() bool {
			size, _ := sh(`stat -c %s "$1/small"`)
			return strings.TrimSpace(size) == "15"
		})
		direct.put(t, "small", "theirs")
		ok(t, in.Close())
		if err := editor.Wait(); err == nil {
			t.Error("the editor is not told")
		}
		equal(t, "small", direct.content(t, "small"), "theirs")
		conflicts := direct.keys(t, "small.conflict-")
		if len(conflicts) != 1 {
			t.Fatalf("got %q", conflicts)
		}
		equal(t, "ours", direct.content(t, conflicts[0]), "contentmoreours")
	})
}
