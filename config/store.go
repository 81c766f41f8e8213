package config

import "ncloudfs/remote"

// Store says which service, with which keys. Remote.Credentials is set when
// the keys stand in the --config file, or for --anonymous; otherwise those of
// Profile are looked for.
type Store struct {
	Remote  remote.Options
	Profile string // empty: the default one
}

// WithKeys completes the options of the service with the keys that are found.
func (s Store) WithKeys() (remote.Options, error) {
	o := s.Remote
	if o.Credentials.Anonymous || o.Credentials.AccessKey != "" {
		return o, nil
	}
	var err error
	o.Credentials, err = remote.FindCredentials(remote.CredentialOptions{Profile: s.Profile})
	return o, err
}
