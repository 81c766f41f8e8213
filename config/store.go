package config

import (
	"context"

	"ncloudfs/remote"
)

// Store says which service, with which keys. Remote.Credentials is set when
// the keys stand in the --config file, with Remote.FindKeys to read it again, or
// for --anonymous; otherwise those of Profile are looked for.
type Store struct {
	Remote  remote.Options
	Profile string // empty: the default one

	ServerRole bool // ask for the server's role at any endpoint
}

// WithKeys completes the options of the service with the keys that are found,
// and with where to look when they change.
func (s Store) WithKeys(ctx context.Context) (remote.Options, error) {
	o := s.Remote
	if o.Credentials.Anonymous || o.Credentials.AccessKey != "" {
		return o, nil
	}
	o.FindKeys = func(ctx context.Context) (remote.Credentials, error) {
		return remote.FindCredentials(ctx, remote.CredentialOptions{Profile: s.Profile, Role: s.ServerRole || s.Profile == "" && o.IsNaver()})
	}
	var err error
	o.Credentials, err = o.FindKeys(ctx)
	return o, err
}
