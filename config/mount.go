package config

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/docker/go-units"

	"ncloudfs/cache"
	"ncloudfs/config/daemon"
	"ncloudfs/fs"
	"ncloudfs/remote"
)

// Mount is a mount command. Client and Logger of the Options are main's to set.
type Mount struct {
	Source     Source
	Mountpoint string // absolute
	Foreground bool
	DrainTime  time.Duration // how long its end waits for uploads
	Store      Store
	Cache      cache.Options
	FS         fs.Options
	StateDir   string // absolute; made when needed
	Log        daemon.LogOptions
}

// Demo is a demo command: a mount of a bucket that Dir keeps.
type Demo struct {
	Mount *Mount
	Dir   string // absolute
}

// Doctor is a doctor command.
type Doctor struct {
	Source   Source
	Store    Store
	ReadOnly bool // write nothing
	JSON     bool
	StateDir string // absolute; made when needed
}

// completeStore believes what NAVER's own tools read, when the user names
// neither endpoint nor region to this one.
func (p *parsed) completeStore(lookup func(string) (string, bool)) {
	r := &p.store.Remote
	if r.Endpoint == "" && r.Region == "" {
		r.Region, r.Endpoint = remote.EnvironmentEndpoint(func(name string) string {
			v, _ := lookup(name)
			return v
		})
	}
}

// checkCredentials settles where keys come from.
func (p *parsed) checkCredentials() error {
	anonymous := p.store.Remote.Credentials.Anonymous
	switch {
	case anonymous && p.store.ServerRole:
		return errors.New("--anonymous contradicts --server-role: one sends no keys, the other says which")
	case p.store.ServerRole && p.store.Profile != "":
		return errors.New("--profile contradicts --server-role: a role is no profile")
	case anonymous && p.store.Profile != "":
		return errors.New("--anonymous contradicts --profile: one sends no keys, the other says which")
	case anonymous && p.file != nil && p.file.hasKeys():
		return fmt.Errorf("--anonymous contradicts the keys in --config %s: remove one of them", p.file.path)
	case p.file != nil && p.file.hasKeys() && p.store.Profile != "":
		return fmt.Errorf("--profile contradicts the keys in --config %s: remove one of them", p.file.path)
	case anonymous:
		p.store.Remote.Credentials.Source = "--anonymous"
	case p.file != nil && p.file.hasKeys():
		p.store.Remote.Credentials = p.file.credentials()
		path, err := filepath.Abs(p.file.path) // a daemon is elsewhere later
		if err != nil {
			return err
		}
		p.store.Remote.FindKeys = func(context.Context) (remote.Credentials, error) {
			again, err := readFile(path)
			if err != nil {
				return remote.Credentials{}, err
			}
			return again.credentials(), nil
		}
	}
	return nil
}

// mount completes what a mount needs and checks what contradicts.
func (p *parsed) mount(source Source, mountpoint string, lookup func(string) (string, bool)) (*Mount, error) {
	if mountpoint == "" {
		return nil, errors.New("MOUNTPOINT is empty: name a directory")
	}
	mountpoint, err := filepath.Abs(mountpoint)
	if err != nil {
		return nil, fmt.Errorf("mount point: %w", err)
	}
	state, err := stateDir(lookup)
	if err != nil {
		return nil, err
	}
	m := &Mount{Source: source, Mountpoint: mountpoint, Foreground: p.foreground, DrainTime: p.drainTime, Store: p.store,
		Cache: p.cache, FS: p.fs, StateDir: state, Log: p.log}
	if m.Cache.Memory == 0 {
		m.Cache.Memory = defaultMemory()
	}
	if m.Cache.Memory < 2*m.Cache.PartSize {
		return nil, fmt.Errorf("--part-size %s does not fit: two parts must fit into --memory (%s)",
			units.BytesSize(float64(m.Cache.PartSize)), units.BytesSize(float64(m.Cache.Memory)))
	}
	m.Cache.StageDir = p.stageDir(state)
	if isBelow(m.Cache.StageDir, mountpoint) {
		return nil, fmt.Errorf("the stage directory %s is below the mount point: choose another --stage-dir", m.Cache.StageDir)
	}
	if m.Cache.CacheDir != "" && isBelow(m.Cache.CacheDir, mountpoint) {
		return nil, fmt.Errorf("the cache directory %s is below the mount point: choose another --cache-dir", m.Cache.CacheDir)
	}
	m.Cache.Bucket, m.Cache.Prefix, m.Cache.ReadOnly = source.Bucket, source.Prefix, p.readOnly
	m.FS.Nodes = m.Cache.Memory / 8
	m.FS.Source, m.FS.ReadOnly = source.String(), p.readOnly
	m.FS.Debug = p.log.Level <= slog.LevelDebug
	return m, nil
}

// stageDir returns the stage directory, which is below the state directory
// unless the user says otherwise.
func (p *parsed) stageDir(state string) string {
	switch {
	case p.cache.StageDir != "":
		return p.cache.StageDir
	case p.cache.CacheDir != "":
		return filepath.Join(p.cache.CacheDir, "stage")
	}
	return filepath.Join(state, "stage")
}

// isBelow reports whether path is dir or below it, by their names.
func isBelow(path, dir string) bool {
	abs, err := filepath.Abs(path)
	if err != nil {
		return false // it is found out when it is used
	}
	rel, err := filepath.Rel(dir, abs)
	return err == nil && filepath.IsLocal(rel)
}

func (p *parsed) demoDirectory(m *Mount) string {
	if p.demoDir != "" {
		return p.demoDir
	}
	return filepath.Join(m.StateDir, "demo")
}

// stateDir returns where what must outlive the process is kept: not a cache,
// which cleaners sweep.
func stateDir(lookup func(string) (string, bool)) (string, error) {
	if os.Geteuid() == 0 {
		return "/var/lib/ncloudfs", nil
	}
	if dir, _ := lookup("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "ncloudfs"), nil
	}
	home, _ := lookup("HOME")
	if !filepath.IsAbs(home) {
		return "", errors.New("neither XDG_STATE_HOME nor HOME is set: set one, or give --stage-dir")
	}
	return filepath.Join(home, ".local/state/ncloudfs"), nil
}

// defaultMemory is a quarter of the cgroup's limit or the RAM, at most 160
// MiB: with the program's own needs that stays under 256 MiB, and more makes
// one sequential stream no faster (32 requests of 2 MiB in flight fill 64 MiB).
func defaultMemory() int64 {
	limit, err := memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)()
	if err != nil {
		return maxDefaultMemory
	}
	return min(max(int64(min(limit, 1<<50))/4, minMemory), maxDefaultMemory)
}
