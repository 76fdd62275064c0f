#!/bin/sh
# Makes a package of the data exchange standard with plain tools: sha256sum, ssh-keygen, tar, age. See ../exchange-standard.md.
#
#   pack.sh DATA.csv ORGANIZATION/DATASET PERIOD CONTRACT ROWS SEQUENCE SENDER-KEY UNIT-KEY RECIPIENTS TARGET.tar.age [SUPERSEDES]
#
# ROWS is the number of rows without the header line. UNIT-KEY is the statistics unit's: it signs that it checked this file.
# SUPERSEDES is the sequence of the accepted delivery that this one replaces.
set -eu
umask 077
data=$1 key=$2 period=$3 contract=$4 rows=$5 sequence=$6 sender_key=$7 unit_key=$8 recipients=$9
shift 9
target=$(realpath "$1")
supersedes=${2:-null}
organization=${key%/*} dataset=${key#*/}
hash=sha256:$(sha256sum < "$data" | cut -c1-64)
bytes=$(wc -c < "$data" | tr -d ' ')
name=$(basename "$data")
# one field a column, as the header line has it; no header of a contract holds a comma or a quotation mark
fields=$(head -n 1 "$data" | tr -d '\r' | sed 's/^\xef\xbb\xbf//; s/,/", "type": "string"}, {"name": "/g')

desk=$(mktemp -d)
trap 'rm -rf "$desk"' EXIT
cp "$data" "$desk/$name"

cat > "$desk/datapackage.json" <<END
{
  "\$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
  "name": "${name%.*}",
  "resources": [
    {
      "name": "$dataset",
      "path": "$name",
      "format": "csv",
      "encoding": "utf-8",
      "dialect": {"delimiter": ","},
      "bytes": $bytes,
      "hash": "$hash",
      "schema": {"fields": [{"name": "$fields", "type": "string"}]}
    }
  ],
  "mdlake": {
    "organization": "$organization",
    "dataset": "$dataset",
    "period": "$period",
    "contract_version": "$contract",
    "declared_rows": $rows,
    "sequence": $sequence,
    "supersedes": $supersedes
  }
}
END

cat > "$desk/self-check.json" <<END
{
  "format": "mdlake-self-check/1",
  "organization": "$organization",
  "dataset": "$dataset",
  "period": "$period",
  "contract_version": "$contract",
  "hash": "$hash",
  "rows": $rows,
  "findings": []
}
END

ssh-keygen -q -Y sign -n mdlake-self-check -f "$unit_key" "$desk/self-check.json"
tar --format=ustar -C "$desk" -cf "$desk/package.tar" datapackage.json self-check.json self-check.json.sig "$name"
age --encrypt --recipients-file "$recipients" --output "$target.part" "$desk/package.tar"
mv "$target.part" "$target"
# the signature last: a package with its signature beside it is complete
ssh-keygen -q -Y sign -n mdlake-delivery -f "$sender_key" "$target"
