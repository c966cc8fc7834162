#!/bin/sh
':' //; for word do case $word in --env-file*) set -- "$@" "=$word";; *) set -- "$@" "$word";; esac; shift; done; exec node -- "$0" "$@"
// For sh the line above is the program, for Node a string and a comment. Node itself reads the file
// of an --env-file that stands behind the script: it ends with code 9 when the file is missing, and
// loads what NODE_OPTIONS in the file names. Node from 20.17 does not look behind a `--`, older ones
// do, so each such word is marked with `=` too (src/node-words.ts removes it). Started as
// `node bin/media-cleanup.js --env-file …`, Node has read the file before any line of ours runs.
import '../dist/main.js';
