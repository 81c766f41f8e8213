package config

import (
	"slices"
	"time"
)

const (
	groupPending = "What to do with it"
	groupWhat    = "What to do"
	groupStore   = "Which bucket, with which keys"
	groupView    = "How files look"
	groupWrite   = "Writing"
	groupLocal   = "Memory and disk"
	groupRun     = "Running and logging"
	groupSource  = "Where options come from"
)

// storeOptions are what every command that talks to the service understands.
func storeOptions() options {
	return options{
		{name: "endpoint", group: groupStore, value: "URL", auto: "the region's", mute: true,
			usage: "the service, e.g. https://kr.object.ncloudstorage.com", set: (*settings).setEndpoint},
		{name: "region", group: groupStore, value: "NAME", auto: "kr",
			usage: "kr, us, sg, jp, de, gov, gov2, fin; with --endpoint any name to sign with", set: (*settings).setRegion},
		{name: "profile", group: groupStore, value: "NAME", auto: "DEFAULT",
			usage: "section of ~/.ncloud/configure and ~/.aws/credentials that has the keys", set: (*settings).setProfile},
		{name: "anonymous", group: groupStore,
			usage: "send no keys: public buckets only", set: switchTo(func(s *settings) *bool { return &s.store.Remote.Credentials.Anonymous })},
		{name: "server-role", group: groupStore,
			usage: "ask for the keys of this server's role at any endpoint, not only NAVER's", set: switchTo(func(s *settings) *bool { return &s.store.ServerRole })},
		{name: "config", group: groupSource, value: "FILE",
			usage: "YAML file with options by name, and access-key and secret-key when its mode is 0600", set: setNothing},
	}
}

// viewOptions are how a mount looks and what it may use.
func viewOptions() options {
	return options{
		{name: "read-only", group: groupView,
			usage: "refuse every change", set: switchTo(func(s *settings) *bool { return &s.readOnly })},
		{name: "no-bucket-changes", group: groupView,
			usage: "let a mount of @ neither make nor remove buckets", set: switchTo(func(s *settings) *bool { return &s.cache.KeepBuckets })},
		{name: "uid", group: groupView, value: "USER", auto: "yours",
			usage: "owner of files that carry none", set: (*settings).setUID},
		{name: "gid", group: groupView, value: "GROUP", auto: "yours",
			usage: "group of files that carry none", set: (*settings).setGID},
		{name: "umask", group: groupView, value: "OCTAL", def: "022",
			usage: "permissions taken from files that carry none", set: (*settings).setUmask},
		{name: "allow-other", group: groupView,
			usage: "let other users in, by the files' permissions", set: switchTo(func(s *settings) *bool { return &s.fs.AllowOther })},
		{name: "attrs", group: groupView, value: "listing|exact", def: "listing",
			usage: "listing: as listed; exact: ask for each mode, owner and time", set: (*settings).setAttrs},
		{name: "acl", group: groupView, value: "preserve|CANNED", def: "preserve",
			usage: "preserve: objects keep theirs; CANNED: for all that is written", set: (*settings).setACL},
		{name: "metadata-ttl", group: groupView, value: "TIME", def: "60s",
			usage: "how long what other clients change may go unseen", set: (*settings).setMetadataTTL},
		{name: "memory", group: groupLocal, value: "SIZE", auto: "a quarter of what there is, at most 160M",
			usage: "for cached data and uploads in flight", set: (*settings).setMemory},
		{name: "cache-size", group: groupLocal, value: "SIZE", def: "10G",
			usage: "most of the disk that --cache-dir may use for what was read", set: (*settings).setCacheSize},
		{name: "log-level", group: groupRun, value: "LEVEL", def: "info",
			usage: "debug, info, warn or error", set: (*settings).setLogLevel},
		{name: "log-format", group: groupRun, value: "text|json", def: "text",
			usage: "how log lines look", set: (*settings).setLogFormat},
	}
}

// stageOptions say which stage directory is meant.
func stageOptions() options {
	return options{
		{name: "stage-dir", group: groupLocal, value: "DIR", auto: "below the state directory",
			usage: "where written data waits for its upload", set: (*settings).setStageDir},
		{name: "cache-dir", group: groupLocal, value: "DIR",
			usage: "keeps what was read, also for later mounts, and the stage in DIR/stage", set: (*settings).setCacheDir},
	}
}

// writeOptions are how what is written gets into the bucket.
func writeOptions() options {
	return options{
		{name: "write-back", group: groupWrite,
			usage: "close returns once the data is safe on the local disk; uploads follow", set: switchTo(func(s *settings) *bool { return &s.cache.WriteBack })},
		{name: "kernel-writes", group: groupWrite, value: "auto|off", def: "auto",
			usage: "auto: where it can, the kernel writes new files by itself, which is faster", set: (*settings).setKernelWrites},
		{name: "recover", group: groupWrite, value: "keep|upload", def: "keep",
			usage: "what to do with files that a crash left before their close", set: (*settings).setRecover},
		{name: "drain-time", group: groupWrite, value: "TIME", def: "10m",
			usage: "how long the end of the mount waits for uploads; the next mount goes on", set: (*settings).setDrainTime},
		{name: "late-time", group: groupWrite, value: "TIME", def: "30s",
			usage: "how long a request whose answer was lost may still take effect", set: (*settings).setLateTime},
		{name: "rename-limit", group: groupWrite, value: "COUNT", def: "1000000",
			usage: "most objects that one rename of a directory moves", set: (*settings).setRenameLimit},
		{name: "part-size", group: groupWrite, value: "SIZE", def: "8M",
			usage: "size of an upload's parts, a multiple of 4M", set: (*settings).setPartSize},
		{name: "stage-size", group: groupLocal, value: "SIZE", auto: "what the disk has free",
			usage: "most of the disk that written data may use", set: (*settings).setStageSize},
	}
}

func mountOptions() options {
	return append(slices.Concat(storeOptions(), viewOptions(), stageOptions(), writeOptions()),
		&option{name: "retry-time", group: groupStore, value: "TIME", def: "5m",
			usage: "how long a request is tried again before it fails", set: (*settings).setRetryTime},
		&option{name: "foreground", short: "f", group: groupRun,
			usage: "stay here until Ctrl-C, log to the terminal", set: switchTo(func(s *settings) *bool { return &s.foreground })})
}

func demoOptions() options {
	return append(slices.Concat(viewOptions(), stageOptions(), writeOptions()), storeOptions().find("config"),
		&option{name: "dir", group: groupLocal, value: "DIR", auto: "below the state directory",
			usage: "where the emulated bucket is kept", set: (*settings).setDemoDir})
}

func doctorOptions() options {
	return append(storeOptions(), viewOptions().find("read-only"), jsonOption())
}

func jsonOption() *option {
	return &option{name: "json", group: groupRun, usage: "print JSON", set: switchTo(func(s *settings) *bool { return &s.json })}
}

func statusOptions() options { return options{jsonOption()} }

func umountOptions() options {
	drain := *writeOptions().find("drain-time")
	drain.def, drain.auto, drain.usage = "", "the mount's", "how long to wait for uploads; the next mount goes on"
	return options{&drain}
}

func pendingOptions() options {
	store := storeOptions()
	return append(stageOptions(), jsonOption(), store.find("profile"), store.find("config"),
		&option{name: "retry", group: groupPending, once: true,
			usage: "upload what is named now", set: switchTo(func(s *settings) *bool { return &s.pending.Retry })},
		&option{name: "discard", group: groupPending, once: true,
			usage: "give up what is named: its local bytes are deleted", set: switchTo(func(s *settings) *bool { return &s.pending.Discard })},
		&option{name: "all", group: groupPending, once: true,
			usage: "name everything", set: switchTo(func(s *settings) *bool { return &s.pending.All })},
		&option{name: "export", group: groupPending, once: true, value: "FILE",
			usage: "make FILE of the one that is named", set: (*settings).setExport})
}

// allOptions are the names that a configuration file may hold: it is shared
// by all commands, so that each ignores what only another understands.
func allOptions() options {
	return slices.Concat(mountOptions(), demoOptions(), bucketOptions(jsonOption()))
}

// switchTo makes the set function of a switch.
func switchTo(field func(*settings) *bool) func(*settings, string) error {
	return func(s *settings, v string) error {
		b, err := parseSwitch(v)
		if err == nil {
			*field(s) = b
		}
		return err
	}
}

// setNothing is for options that say where others come from.
func setNothing(*settings, string) error { return nil }

// always is a time of 0 as a user gives it: as short as can be, since 0 in the
// Options means the default.
const always = time.Nanosecond
