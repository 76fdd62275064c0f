-- The members at the end of the quarter against the lists of its last month.
with
    members as (
        select national_code_pseudonym as person
        from published.cooperatives_cooperative_members
        where period = $period
    ),
    insured as (
        select national_code_pseudonym as person
        from published.sso_insured_contributions
        where period = $month
    )
select
    (select count(distinct person) from members) as members,
    (select count(distinct person) from members semi join insured using (person)) as insured_members,
    (select count(*) from members where person is null) as member_rows_unlinked,
    (select count(*) from insured where person is null) as insured_rows_unlinked
