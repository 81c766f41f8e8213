package test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
	"ncloudfs/remote/emulator/emulatortest"
)

// guard is a proxy before a server that refuses some requests.
type guard struct {
	mu      sync.Mutex // guards the fields below
	refuse  func(r *http.Request) (code string)
	refused []string
}

// startGuard makes s go through a guard, which lets all pass at first.
func startGuard(t testing.TB, s *store) *guard {
	t.Helper()
	to, err := url.Parse(s.endpoint)
	ok(t, err)
	g := &guard{refuse: func(*http.Request) string { return "" }}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(to)
		p.Out.Host = p.In.Host // is signed
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if code := g.judge(r); code != "" {
			w.WriteHeader(http.StatusForbidden)
			if r.Method != http.MethodHead {
				fmt.Fprintf(w, "<Error><Code>%s</Code><Message>refused by the test</Message></Error>", code)
			}
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.endpoint = server.URL
	return g
}

func (g *guard) judge(r *http.Request) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	code := g.refuse(r)
	if code != "" {
		g.refused = append(g.refused, r.Method+" "+r.URL.String())
	}
	return code
}

func (g *guard) set(refuse func(r *http.Request) string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refuse = refuse
}

// TestKeysThatChangeUnderAMount: keys that are refused are read again from their
// file, whoever replaced them; until then nothing is lost.
func TestKeysThatChangeUnderAMount(t *testing.T) {
	t.Parallel()
	requireFUSE(t)
	alice := emulatortest.Alice()
	fresh := alice
	fresh.AccessKey, fresh.SecretKey = "AKFRESH", "SKFRESH"
	s, _ := startEmulator(t, emulator.Options{Accounts: []emulator.Account{alice, fresh}})
	home := root().dir(t)
	keep := func(a emulator.Account) {
		t.Helper()
		name := filepath.Join(home, ".ncloud", "configure")
		ok(t, os.MkdirAll(filepath.Dir(name), 0o700))
		ok(t, os.WriteFile(name+".new", fmt.Appendf(nil, "[DEFAULT]\nncloud_access_key_id = %s\nncloud_secret_access_key = %s\n",
			a.AccessKey, a.SecretKey), 0o600))
		ok(t, os.Rename(name+".new", name))
	}
	keep(alice)
	through := *s
	through.env = []string{"HOME=" + home}
	g := startGuard(t, &through)
	m := through.mount(t, root())
	p := m.start(t)
	ok(t, p.writeFile("before", "content"))

	g.set(func(r *http.Request) string {
		if strings.Contains(r.Header.Get("Authorization"), "Credential="+alice.AccessKey+"/") {
			return "InvalidAccessKeyId"
		}
		return ""
	})
	if !theMode().writeBack {
		if err := p.writeFile("meanwhile", "kept"); err == nil {
			t.Error("no error while the keys are refused")
		}
	}
	keep(fresh)
	time.Sleep(1100 * time.Millisecond) // the file was read a moment ago
	ok(t, p.writeFile("after", "content"))
	m.ncloudfs(t, 0, "sync", m.path)
	equal(t, "after", s.content(t, "after"), "content")
	if !theMode().writeBack {
		equal(t, "meanwhile", s.content(t, "meanwhile"), "kept")
	}
	says(t, m.log.String(), "other keys are used from now on")
	if strings.Contains(m.log.String(), fresh.SecretKey) {
		t.Error("the log shows a secret")
	}
}

// TestKeyLimitedToOnePrefixIsEnough: with the right to list, read, write and
// delete below one prefix, and none else, a mount of that prefix does all.
func TestKeyLimitedToOnePrefixIsEnough(t *testing.T) {
	t.Parallel()
	requireFUSE(t)
	s, _ := startEmulator(t, emulator.Options{})
	through := *s
	g := startGuard(t, &through)
	through.bucket += "/home/alice"
	g.set(func(r *http.Request) string {
		q, key := r.URL.Query(), strings.TrimPrefix(r.URL.Path, "/"+s.bucket)
		isBucket := key == "" || key == "/"
		switch {
		case q.Has("acl"), q.Has("cors"), isBucket && q.Has("uploads"):
		case isBucket && r.Method == http.MethodGet && strings.HasPrefix(q.Get("prefix"), "home/alice/"),
			isBucket && r.Method == http.MethodPost && q.Has("delete"), strings.HasPrefix(key, "/home/alice/"):
			return ""
		}
		return "AccessDenied"
	})
	m := through.mount(t, root())
	large := random(20 << 20)
	local := localDir(t)
	ok(t, os.WriteFile(local.path("large"), []byte(large), 0o600))
	m.shell().run(t, time.Minute, `
		mkdir -p dir/sub; echo one > dir/file; echo two >> dir/file; chmod 600 dir/file; touch -d 2020-01-01 dir/file
		ln -s file dir/link; cp "$1" dir/sub/large; printf end >> dir/sub/large; truncate -s 5 dir/file
		mv dir/file dir/moved; mv dir other; ls -lR . > /dev/null; cat other/moved > /dev/null
		setfattr -n user.note -v text other/moved; cp other/moved gone; rm gone; rm other/link`, local.path("large"))
	m.ncloudfs(t, 0, "sync", m.path)
	equal(t, "the object", s.content(t, "home/alice/other/sub/large"), large+"end")
	equal(t, "the file", s.content(t, "home/alice/other/moved"), "one\nt")
	m.shell().run(t, time.Minute, `rm -r other`)
	m.ncloudfs(t, 0, "sync", m.path)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range g.refused {
		if !strings.Contains(r, "acl") {
			t.Errorf("asked for more: %s", r)
		}
	}
}

// TestAnonymousMountReadsAPublicBucket, and says so where it cannot write.
func TestAnonymousMountReadsAPublicBucket(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		ok(t, s.client.SetCannedACL(contextOf(t), remote.Path{Bucket: s.bucket}, remote.PublicRead))
		s.putWith(t, "public", "for all", remote.PutOptions{ACL: remote.PublicRead})
		s.put(t, "private", "for few")
		through := *s
		through.env = nil
		m := through.mount(t, root(), "--anonymous", "--read-only")
		p := m.start(t)
		got, err := p.readFile("public")
		ok(t, err)
		equal(t, "public", got, "for all")
		_, err = p.readFile("private")
		fails(t, "private", err, unix.EACCES)
		fails(t, "writing", p.writeFile("new", "x"), unix.EROFS)
	})
}
