package remote

import (
	"fmt"
	"io"
	"os"

	"gopkg.in/ini.v1"
)

// maxKeyFile bounds a file of keys, in bytes.
const maxKeyFile = 1 << 20

// keyNames are the names of a pair of keys in a file.
type keyNames [][2]string

func ncloudKeys() keyNames { return keyNames{{"ncloud_access_key_id", "ncloud_secret_access_key"}} }
func awsKeys() keyNames    { return keyNames{{"aws_access_key_id", "aws_secret_access_key"}} }

// readKeys reads a pair of keys from a file of [PROFILE] sections with lines
// NAME = VALUE. No AccessKey: the file has none for this profile. Errors never
// carry the file's text.
func readKeys(name, profile string, names keyNames) (Credentials, error) {
	text, err := readPrivate(name)
	if err != nil {
		return Credentials{}, err
	}
	file, err := ini.LoadSources(ini.LoadOptions{
		IgnoreInlineComment: true, KeyValueDelimiters: "=", SkipUnrecognizableLines: true, AllowNonUniqueSections: false,
	}, text)
	if err != nil {
		return Credentials{}, fmt.Errorf("%s is not a file of NAME = VALUE lines", name)
	}
	sections := []string{profile}
	if profile == "" {
		sections = []string{"DEFAULT", "default"}
	}
	for _, s := range sections {
		section, err := file.GetSection(s)
		if err != nil {
			continue
		}
		for _, pair := range names {
			access, secret := section.Key(pair[0]).Value(), section.Key(pair[1]).Value()
			switch {
			case access != "" && secret != "":
				return Credentials{AccessKey: access, SecretKey: Secret(secret), Source: name}, nil
			case access != "" || secret != "":
				return Credentials{}, fmt.Errorf("%s: %s and %s must both be there", name, pair[0], pair[1])
			}
		}
	}
	return Credentials{}, nil
}

// readPrivate reads a file that nobody else can read.
func readPrivate(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a directory", name)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%s holds keys but has mode %04o: run chmod 600 %s", name, mode, name)
	}
	return io.ReadAll(io.LimitReader(f, maxKeyFile))
}
