package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"

	"ncloudfs/cache"
	"ncloudfs/config/daemon"
	"ncloudfs/fs"
	"ncloudfs/fs/control"
	"ncloudfs/remote"
)

// settings collect the values of one command line, whichever command it is.
// Each setX takes the text of one value and says in a few words what is wrong
// with it; the caller names the option and where it stood.
type settings struct {
	store      Store
	fs         fs.Options
	cache      cache.Options
	log        daemon.LogOptions
	pending    control.PendingOptions
	drainTime  time.Duration // 0: not given
	demoDir    string
	readOnly   bool
	foreground bool
	json       bool

	cannedACL    string
	headers      []string // names
	olderThan    time.Duration
	recursive    bool
	hasOlderThan bool
}

func (s *settings) setEndpoint(v string) error {
	if !strings.Contains(v, "://") {
		v = "https://" + v
	}
	u, err := url.Parse(v)
	switch {
	case err != nil:
		return errors.New("not a URL: give e.g. https://kr.object.ncloudstorage.com")
	case u.User != nil:
		return errors.New("must not hold keys: other users could read them")
	case (u.Scheme != "https" && u.Scheme != "http") || u.Host == "":
		return errors.New("must begin with https:// (or http://) and a host name")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("must end after the host name: the bucket is the first argument (try %s://%s)", u.Scheme, u.Host)
	}
	s.store.Remote.Endpoint = u.Scheme + "://" + u.Host
	return nil
}

func (s *settings) setRegion(v string) error {
	if r, ok := remote.FindRegion(v); ok {
		v = r.Name
	}
	s.store.Remote.Region = v
	return nil
}

func (s *settings) setProfile(v string) error {
	s.store.Profile = v
	return nil
}

func (s *settings) setRetryTime(v string) error {
	d, err := parseTime(v)
	if err == nil && d < time.Second {
		err = errors.New("must be at least 1s")
	}
	s.store.Remote.RetryTime = d
	return err
}

func (s *settings) setMetadataTTL(v string) error {
	d, err := parseTime(v)
	s.cache.MetadataTTL = max(d, always)
	return err
}

func (s *settings) setRecover(v string) error {
	s.cache.RecoverOpen = v == "upload"
	return oneOf(v, "keep", "upload")
}

func (s *settings) setKernelWrites(v string) error {
	s.cache.KernelWrites = v == "auto"
	return oneOf(v, "auto", "off")
}

func (s *settings) setDrainTime(v string) error {
	d, err := parseTime(v)
	s.drainTime = max(d, always)
	return err
}

func (s *settings) setRenameLimit(v string) error {
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		return errors.New("must be a number of objects, at least 1")
	}
	s.cache.RenameLimit = n
	return nil
}

func (s *settings) setLateTime(v string) error {
	d, err := parseTime(v)
	s.cache.LateTime = max(d, always)
	return err
}

func (s *settings) setCannedACL(v string) error {
	s.cannedACL = v
	return oneOf(v, remote.CannedACLs()...)
}

func (s *settings) setHeaders(v string) error {
	s.headers = strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' })
	return nil
}

func (s *settings) setOlderThan(v string) (err error) {
	s.olderThan, err = parseTime(v)
	s.hasOlderThan = true
	return err
}

func (s *settings) setExport(v string) (err error) {
	s.pending.Export, err = filepath.Abs(v)
	return err
}

func (s *settings) setAttrs(v string) error {
	s.cache.ExactAttrs = v == "exact"
	return oneOf(v, "listing", "exact")
}

func (s *settings) setUID(v string) (err error) {
	s.fs.UID, err = parseID(v, func(name string) (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", fmt.Errorf("no user of that name")
		}
		return u.Uid, nil
	})
	return err
}

func (s *settings) setGID(v string) (err error) {
	s.fs.GID, err = parseID(v, func(name string) (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", fmt.Errorf("no group of that name")
		}
		return g.Gid, nil
	})
	return err
}

func (s *settings) setUmask(v string) error {
	n, err := strconv.ParseUint(v, 8, 32)
	if err != nil || n > 0o777 {
		return errors.New("must be octal, 000 to 777")
	}
	s.fs.Umask = uint32(n)
	return nil
}

// Limits of sizes, in bytes. Below 32 MiB not even the parts of one upload
// fit; a part has at most 5 GB (Object Storage guide: multipart upload).
const (
	minMemory        = 32 << 20
	maxDefaultMemory = 160 << 20
	minCache         = 16 << 20
	minPart          = 8 << 20
	maxPart          = 1 << 30
	partMeasure      = 4 << 20
)

func (s *settings) setMemory(v string) (err error) {
	if s.cache.Memory, err = parseSize(v); err == nil && s.cache.Memory < minMemory {
		err = errors.New("must be at least 32M")
	}
	return err
}

func (s *settings) setPartSize(v string) (err error) {
	s.cache.PartSize, err = parseSize(v)
	if n := s.cache.PartSize; err == nil && (n < minPart || n > maxPart || n%partMeasure != 0) {
		err = errors.New("must be a multiple of 4M from 8M to 1G")
	}
	return err
}

func (s *settings) setACL(v string) error {
	if v == "preserve" {
		v = ""
	}
	s.cache.ACL = v
	return oneOf(v, append(remote.CannedACLs(), "")...)
}

func (s *settings) setStageSize(v string) (err error) {
	s.cache.StageSize, err = parseSize(v)
	return err
}

func (s *settings) setCacheSize(v string) (err error) {
	if s.cache.CacheSize, err = parseSize(v); err == nil && s.cache.CacheSize < minCache {
		err = errors.New("must be at least 16M")
	}
	return err
}

func (s *settings) setStageDir(v string) (err error) {
	s.cache.StageDir, err = filepath.Abs(v)
	return err
}

func (s *settings) setCacheDir(v string) (err error) {
	s.cache.CacheDir, err = filepath.Abs(v)
	return err
}

func (s *settings) setDemoDir(v string) (err error) {
	s.demoDir, err = filepath.Abs(v)
	return err
}

func (s *settings) setLogFormat(v string) error {
	s.log.JSON = v == "json"
	return oneOf(v, "text", "json")
}

func (s *settings) setLogLevel(v string) error {
	if err := oneOf(strings.ToLower(v), "debug", "info", "warn", "error"); err != nil {
		return err
	}
	var level slog.Level
	err := level.UnmarshalText([]byte(v))
	s.log.Level = level
	return err
}

func oneOf(v string, allowed ...string) error {
	for _, a := range allowed {
		if v == a {
			return nil
		}
	}
	return fmt.Errorf("must be %s", strings.Join(allowed, " or "))
}

func parseSwitch(v string) (bool, error) {
	switch strings.ToLower(v) {
	case "true", "yes", "on", "1":
		return true, nil
	case "false", "no", "off", "0":
		return false, nil
	}
	return false, errors.New("must be true or false")
}

func parseSize(v string) (int64, error) {
	n, err := units.RAMInBytes(v)
	if err != nil || n <= 0 {
		return 0, errors.New("must be a size such as 512M or 10G")
	}
	return n, nil
}

func parseTime(v string) (time.Duration, error) {
	d, err := time.ParseDuration(v)
	if days, isDays := strings.CutSuffix(v, "d"); isDays {
		d, err = time.ParseDuration(days + "h")
		d *= 24
	}
	if v != "" && strings.Trim(v, "0123456789") == "" { // bare numbers are seconds, as in other mount options
		d, err = time.ParseDuration(v + "s")
	}
	if err != nil || d < 0 {
		return 0, errors.New("must be a time such as 60s, 5m or 1h")
	}
	return d, nil
}

func parseID(v string, lookup func(string) (string, error)) (uint32, error) {
	if strings.Trim(v, "0123456789") != "" {
		id, err := lookup(v)
		if err != nil {
			return 0, err
		}
		v = id
	}
	n, err := strconv.ParseUint(v, 10, 32)
	if err != nil || n == 1<<32-1 { // -1 means "unchanged" to chown
		return 0, errors.New("must be a number or a name")
	}
	return uint32(n), nil
}
