// Package config is what the user types: commands, flags, -o options, the
// environment and the configuration file.
//
// It only parses, validates and redacts. What it makes of a command line is a
// struct per command (Mount, Demo, Doctor, ...) that carries the Options of
// the packages that do the work; main runs them.
//
// # Where a value comes from
//
// Every option has one name, spelled --name on the command line, name=value
// in -o, NCLOUDFS_NAME in the environment and name: value in the YAML file
// that --config names. The first of these that has it wins, then the default.
// NCLOUD_OBS_ENDPOINT and NCLOUD_REGION, which other NAVER tools read, count
// when neither endpoint nor region is given. The same option twice in one
// place with different values is an error, because one of the two would be
// ignored. What one command line is to do, as to discard pending changes, is
// said there alone.
//
// Keys are never options: they would show in the process list. They may stand
// in the file, which must then be readable by its owner only, and in the
// places that package remote searches. No message of this package quotes a
// line of the file or the value of an unknown option.
package config
