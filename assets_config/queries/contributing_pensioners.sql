-- The person who receives the pension, whatever its kind: a survivor who works is no contradiction, an old-age pensioner
-- who works may be one.
with
    sso_pensioners as (
        select national_code_pseudonym as person, pension_kind
        from published.sso_pensioners
        where period = $period
    ),
    cspf_pensioners as (
        select national_code_pseudonym as person
        from published.cspf_pensioners
        where period = $period
    ),
    insured as (
        select national_code_pseudonym as person
        from published.sso_insured_contributions
        where period = $period
    ),
    pensioners as (
        select person from sso_pensioners union all select person from cspf_pensioners
    )
select
    (select count(distinct person) from pensioners) as pensioners,
    (select count(distinct person) from pensioners semi join insured using (person)) as contributing,
    (select count(distinct person) from sso_pensioners semi join insured using (person)) as contributing_sso,
    (select count(distinct person) from cspf_pensioners semi join insured using (person)) as contributing_cspf,
    (
        select count(distinct person)
        from sso_pensioners semi join insured using (person)
        where pension_kind = '1'
    ) as contributing_sso_old_age,
    (select count(*) from sso_pensioners where person is null) as sso_rows_unlinked,
    (select count(*) from cspf_pensioners where person is null) as cspf_rows_unlinked,
    (select count(*) from insured where person is null) as insured_rows_unlinked
