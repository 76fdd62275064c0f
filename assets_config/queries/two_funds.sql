-- Persons, not rows: somebody with two jobs is one insured person. A row whose pseudonym is missing links to nothing and is
-- counted by itself.
with
    insured as (
        select national_code_pseudonym as person
        from published.sso_insured_contributions
        where period = $period
    ),
    members as (
        select national_code_pseudonym as person
        from published.farmers_fund_insured_members
        where period = $period
    )
select
    (select count(distinct person) from insured) as insured_persons,
    (select count(distinct person) from members) as members,
    (select count(distinct person) from insured semi join members using (person)) as in_two_funds,
    (select count(*) from insured where person is null) as insured_rows_unlinked,
    (select count(*) from members where person is null) as member_rows_unlinked
