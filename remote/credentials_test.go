package remote_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ncloudfs/remote"
)

// home is a home directory with these files, by path below it, all 0600.
func home(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const (
	ncloudConfigure = "[DEFAULT]\nncloud_access_key_id = NA\nncloud_secret_access_key = NS;#%(x)s=\nncloud_api_url = https://x\n" +
		"[work]\nncloud_access_key_id=WA\nncloud_secret_access_key=WS\n"
	awsCredentials = "# comment\n[default]\naws_access_key_id = AA\naws_secret_access_key = AS/+=\n[other]\naws_access_key_id = OA\naws_secret_access_key = OS\n"
)

func TestCredentialsAreFoundInOrder(t *testing.T) {
	both := map[string]string{".ncloud/configure": ncloudConfigure, ".aws/credentials": awsCredentials}
	onlyAWS := map[string]string{".aws/credentials": awsCredentials}
	ncloudEnv := map[string]string{"NCLOUD_ACCESS_KEY": "EA", "NCLOUD_SECRET_KEY": "ES"}
	longEnv := map[string]string{"NCLOUD_ACCESS_KEY_ID": "LA", "NCLOUD_SECRET_ACCESS_KEY": "LS"}
	awsEnv := map[string]string{"AWS_ACCESS_KEY_ID": "VA", "AWS_SECRET_ACCESS_KEY": "VS"}
	for what, test := range map[string]struct {
		files, env     map[string]string
		profile        string
		access, secret string
		source         string
	}{
		"NCLOUD_ environment":          {both, ncloudEnv, "", "EA", "ES", "NCLOUD_ACCESS_KEY"},
		"NCLOUD_ other spelling":       {both, longEnv, "", "LA", "LS", "NCLOUD_ACCESS_KEY_ID"},
		"~/.ncloud/configure":          {both, awsEnv, "", "NA", "NS;#%(x)s=", ".ncloud/configure"},
		"AWS environment":              {onlyAWS, awsEnv, "", "VA", "VS", "AWS_ACCESS_KEY_ID"},
		"~/.aws/credentials":           {onlyAWS, nil, "", "AA", "AS/+=", ".aws/credentials"},
		"profile before environment":   {both, ncloudEnv, "work", "WA", "WS", ".ncloud/configure"},
		"profile of the AWS file":      {both, nil, "other", "OA", "OS", ".aws/credentials"},
		"profile by AWS_PROFILE":       {onlyAWS, map[string]string{"AWS_PROFILE": "other"}, "", "OA", "OS", ".aws/credentials"},
		"without a section":            {map[string]string{".ncloud/configure": "ncloud_access_key_id = A\nncloud_secret_access_key = S\n"}, nil, "", "A", "S", ".ncloud/configure"},
		"configure without keys in it": {map[string]string{".ncloud/configure": "[DEFAULT]\nx = y\n", ".aws/credentials": awsCredentials}, nil, "", "AA", "AS/+=", ".aws/credentials"},
	} {
		c, err := remote.FindCredentials(t.Context(), remote.CredentialOptions{Home: home(t, test.files), Profile: test.profile,
			Env: func(name string) string { return test.env[name] }})
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		equal(t, what+": access key", c.AccessKey, test.access)
		equal(t, what+": secret key", c.SecretKey.Reveal(), test.secret)
		if !strings.HasSuffix(c.Source, test.source) {
			t.Errorf("%s: source %q, want %q", what, c.Source, test.source)
		}
	}
}

func TestCredentialsOfANamedFile(t *testing.T) {
	dir := home(t, map[string]string{"n": ncloudConfigure, "a": awsCredentials, "none": "x = y\n", ".ncloud/configure": ncloudConfigure})
	for file, want := range map[string]string{"n": "NA", "a": "AA"} {
		c, err := remote.FindCredentials(t.Context(), remote.CredentialOptions{File: filepath.Join(dir, file), Home: dir,
			Env: func(string) string { return "ignored" }, Profile: map[string]string{"n": "DEFAULT", "a": "default"}[file]})
		if err != nil || c.AccessKey != want {
			t.Errorf("%s: %v %v", file, c, err)
		}
	}
	for _, file := range []string{"none", "absent"} {
		c, err := remote.FindCredentials(t.Context(), remote.CredentialOptions{File: filepath.Join(dir, file), Home: dir, Env: noEnv})
		if err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v %v", file, c, err)
		}
	}
}

func noEnv(string) string { return "" }

// Each is one clear line, and holds no secret.
func TestCredentialsThatAreWrong(t *testing.T) {
	for what, test := range map[string]struct {
		files, env map[string]string
		profile    string
		mode       os.FileMode
		want       string
	}{
		"none at all":       {nil, nil, "", 0, "NCLOUD_ACCESS_KEY"},
		"half a pair":       {nil, map[string]string{"NCLOUD_ACCESS_KEY": "A"}, "", 0, "NCLOUD_SECRET_KEY is not"},
		"the other half":    {nil, map[string]string{"AWS_SECRET_ACCESS_KEY": secret}, "", 0, "AWS_ACCESS_KEY_ID is not"},
		"half in a file":    {map[string]string{".ncloud/configure": "ncloud_secret_access_key = " + secret}, nil, "", 0o600, "must both be there"},
		"readable by all":   {map[string]string{".ncloud/configure": ncloudConfigure}, nil, "", 0o644, "chmod 600"},
		"readable by group": {map[string]string{".aws/credentials": awsCredentials}, nil, "", 0o640, "chmod 600"},
		"unknown profile":   {map[string]string{".ncloud/configure": ncloudConfigure, ".aws/credentials": awsCredentials}, nil, "nobody", 0o600, `"nobody"`},
		"a broken file":     {map[string]string{".ncloud/configure": "[DEFAULT\n" + secret}, nil, "", 0o600, "configure"},
	} {
		dir := home(t, test.files)
		for name := range test.files {
			if err := os.Chmod(filepath.Join(dir, name), test.mode); err != nil {
				t.Fatal(err)
			}
		}
		c, err := remote.FindCredentials(t.Context(), remote.CredentialOptions{Home: dir, Profile: test.profile,
			Env: func(name string) string { return test.env[name] }})
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v %v", what, c, err)
			continue
		}
		wantNoSecret(t, what, err.Error())
		equal(t, what+": ErrNoCredentials", errors.Is(err, remote.ErrNoCredentials), what == "none at all" || what == "unknown profile")
	}
}
