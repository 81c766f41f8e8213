package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Credentials are the keys that requests are signed with.
type Credentials struct {
	AccessKey string
	SecretKey Secret
	Anonymous bool      // sign nothing: what is public can be read
	Expires   time.Time // zero: never
	Source    string    // where they were found, for messages
}

// CredentialOptions says where FindCredentials looks. The zero value looks in
// the process's environment and its user's home.
type CredentialOptions struct {
	File    string              // look only in this file, of either format; empty: the usual places
	Profile string              // section of the files; empty: the default one, or for AWS's file that of AWS_PROFILE
	Env     func(string) string // default os.Getenv
	Home    string              // default os.UserHomeDir
	Role    bool                // ask the server's metadata last
	RoleURL string              // default NAVER Cloud's
}

// ErrNoCredentials says that there are none in any of the usual places.
var ErrNoCredentials = errors.New("no access key and secret key found")

// Names of the pairs of keys in the environment, first to last: NAVER's (both
// spellings are in its own tools), then those of AWS, because NAVER's guide
// uses the AWS CLI.
func keyVariables() [][2]string {
	return [][2]string{
		{"NCLOUD_ACCESS_KEY", "NCLOUD_SECRET_KEY"},
		{"NCLOUD_ACCESS_KEY_ID", "NCLOUD_SECRET_ACCESS_KEY"},
		{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"},
	}
}

// FindCredentials looks for keys: in o.File if there is one; else in
// NCLOUD_ACCESS_KEY and NCLOUD_SECRET_KEY, in ~/.ncloud/configure, in
// AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and in ~/.aws/credentials (or
// AWS_SHARED_CREDENTIALS_FILE); with Role, in the metadata of the server that
// this runs on. A Profile in o skips the environment. The
// first place that names a key decides: half a pair, or a file that others
// can read, is an error, not a reason to look further.
func FindCredentials(ctx context.Context, o CredentialOptions) (Credentials, error) {
	f := o.finder()
	for _, place := range f.places() {
		c, err := place()
		if err != nil {
			return Credentials{}, fmt.Errorf("credentials: %w", err)
		}
		if c.AccessKey != "" {
			return c, nil
		}
	}
	if f.Role {
		if c, err := roleKeys(ctx, f.RoleURL); err != nil || c.AccessKey != "" {
			return c, err
		}
	}
	return Credentials{}, f.nothing()
}

// finder is CredentialOptions with its defaults.
type finder struct {
	CredentialOptions
	ncloudFile, awsFile string
}

func (o CredentialOptions) finder() *finder {
	if o.Env == nil {
		o.Env = os.Getenv
	}
	if o.Home == "" {
		o.Home, _ = os.UserHomeDir() // a service without one has its keys in the environment
	}
	o.RoleURL = cmp.Or(o.RoleURL, roleURL)
	f := &finder{CredentialOptions: o}
	if o.Home != "" {
		f.ncloudFile = filepath.Join(o.Home, ".ncloud", "configure")
		f.awsFile = filepath.Join(o.Home, ".aws", "credentials")
	}
	if name := o.Env("AWS_SHARED_CREDENTIALS_FILE"); name != "" {
		f.awsFile = name
	}
	return f
}

// places are the places to look, in order.
func (f *finder) places() []func() (Credentials, error) {
	if f.File != "" {
		return []func() (Credentials, error){func() (Credentials, error) {
			c, err := readKeys(f.File, f.Profile, append(ncloudKeys(), awsKeys()...))
			if err == nil && c.AccessKey == "" {
				err = fmt.Errorf("%s holds no access key and secret key%s", f.File, f.inProfile())
			}
			return c, err
		}}
	}
	ncloud := func() (Credentials, error) {
		return optional(readKeys(f.ncloudFile, f.Profile, ncloudKeys()))
	}
	aws := func() (Credentials, error) {
		return optional(readKeys(f.awsFile, f.awsProfile(), awsKeys()))
	}
	if f.Profile != "" {
		return []func() (Credentials, error){ncloud, aws}
	}
	pairs := keyVariables()
	return []func() (Credentials, error){f.variables(pairs[0]), f.variables(pairs[1]), ncloud, f.variables(pairs[2]), aws}
}

// variables looks for a pair in the environment.
func (f *finder) variables(pair [2]string) func() (Credentials, error) {
	return func() (Credentials, error) {
		access, secret := f.Env(pair[0]), f.Env(pair[1])
		switch {
		case access != "" && secret == "":
			return Credentials{}, fmt.Errorf("%s is set, but %s is not", pair[0], pair[1])
		case access == "" && secret != "":
			return Credentials{}, fmt.Errorf("%s is set, but %s is not", pair[1], pair[0])
		}
		return Credentials{AccessKey: access, SecretKey: Secret(secret), Source: pair[0]}, nil
	}
}

func (f *finder) awsProfile() string {
	if f.Profile != "" {
		return f.Profile
	}
	return f.Env("AWS_PROFILE")
}

func (f *finder) inProfile() string {
	if f.Profile == "" {
		return ""
	}
	return fmt.Sprintf(" for profile %q", f.Profile)
}

// nothing is the error when no place had keys.
func (f *finder) nothing() error {
	if f.Profile != "" {
		return fmt.Errorf("%w%s in %s or %s", ErrNoCredentials, f.inProfile(), f.ncloudFile, f.awsFile)
	}
	if f.Role {
		return fmt.Errorf("%w, and this server has no role: set NCLOUD_ACCESS_KEY and NCLOUD_SECRET_KEY, or write them to ~/.ncloud/configure", ErrNoCredentials)
	}
	return fmt.Errorf("%w: set NCLOUD_ACCESS_KEY and NCLOUD_SECRET_KEY, or write them to ~/.ncloud/configure", ErrNoCredentials)
}

// optional makes an absent file no error.
func optional(c Credentials, err error) (Credentials, error) {
	if errors.Is(err, os.ErrNotExist) {
		return Credentials{}, nil
	}
	return c, err
}
