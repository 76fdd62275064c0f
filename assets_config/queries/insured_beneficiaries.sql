-- A benefit and a contribution of the same month: somebody who found a job during the month, or a benefit that should have
-- ended. Those whose job began before the month are counted apart.
with
    beneficiaries as (
        select national_code_pseudonym as person
        from published.sso_unemployment_benefits
        where period = $period
    ),
    insured as (
        select national_code_pseudonym as person, job_start_month
        from published.sso_insured_contributions
        where period = $period
    )
select
    (select count(distinct person) from beneficiaries) as beneficiaries,
    (select count(distinct person) from beneficiaries semi join insured using (person)) as insured_beneficiaries,
    (
        select count(distinct person)
        from insured semi join beneficiaries using (person)
        where job_start_month < $period
    ) as in_an_older_job,
    (select count(*) from beneficiaries where person is null) as beneficiary_rows_unlinked,
    (select count(*) from insured where person is null) as insured_rows_unlinked
