# Reads the output of `cargo test` and counts by area: the unit tests of the library as "unit", the integration tests as
# "it::" and their first module, documentation examples as "doc". Writes "area passed failed ignored", one a line.

/^ *Running unittests/ { place = "unit"; next }
/^ *Running tests\// { place = $2; sub(/^tests\//, "", place); sub(/(\/main)?\.rs$/, "", place); next }
/^ *Doc-tests / { place = "doc"; next }

# "test oauth::pkce::tests::a_sentence ... ok"; what a test prints may stand between the dots and the verdict.
/^test .* \.\.\. / {
    area = place
    if (place != "unit" && place != "doc") { split($2, path, "::"); area = place "::" path[1] }
}
/^test result: / {
    passed = failed = ignored = 0
    for (i = 1; i < NF; i++) {
        if ($(i + 1) ~ /^passed/) passed = $i
        if ($(i + 1) ~ /^failed/) failed = $i
        if ($(i + 1) ~ /^ignored/) ignored = $i
    }
    total[place, "p"] += passed; total[place, "f"] += failed; total[place, "i"] += ignored
    places[place] = 1
    next
}
/^test .* \.\.\. ok$/ { seen[area, "p"]++; areas[area] = place; next }
/^test .* \.\.\. FAILED$/ { seen[area, "f"]++; areas[area] = place; next }
/^test .* \.\.\. ignored/ { seen[area, "i"]++; areas[area] = place; next }

END {
    for (area in areas) {
        print area, seen[area, "p"] + 0, seen[area, "f"] + 0, seen[area, "i"] + 0
        for (k = 1; k <= 3; k++) { v = substr("pfi", k, 1); total[areas[area], v] -= seen[area, v] }
    }
    # What the summary lines count and the test lines did not show.
    for (place in places)
        if (total[place, "p"] + total[place, "f"] + total[place, "i"] > 0)
            print place "::(other)", total[place, "p"], total[place, "f"], total[place, "i"]
}
