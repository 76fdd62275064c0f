-- Employed: on a contribution list of one of the three months after the certificate. A new job is one that began in the
-- month of the certificate or in those three; the others had theirs before.
with
    holders as (
        select national_code_pseudonym as person
        from published.tvto_skill_certificates
        where period = $period
    ),
    insured as (
        select national_code_pseudonym as person, job_start_month
        from published.sso_insured_contributions
        where period between $next_month and $until
    )
select
    (select count(distinct person) from holders) as holders,
    (select count(distinct person) from holders semi join insured using (person)) as employed,
    (
        select count(distinct person)
        from insured semi join holders using (person)
        where job_start_month between $period and $until
    ) as in_a_new_job,
    (select count(*) from holders where person is null) as holder_rows_unlinked,
    (select count(*) from insured where person is null) as insured_rows_unlinked
